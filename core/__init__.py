"""The engine: jobs of sequential stages of parallel tasks, without I/O of its own.

Imports the standard library and pydantic only. Outside systems are reached through the
Protocols in :mod:`core.ports`; the composition roots in ``infrastructure`` and ``testing``
hand implementations to :class:`core.machine.CoreMachine`.
"""
