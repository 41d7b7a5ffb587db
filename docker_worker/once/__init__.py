"""``python -m docker_worker --once``: one JSON document in, one task run in memory, one JSON document out.

It needs no database, no queue and no storage.
"""

from docker_worker.once.process import main

__all__ = ["main"]
