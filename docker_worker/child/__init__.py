"""The process that handlers run in: its own side, which :func:`serve` is, and the worker's handle of it."""

from docker_worker.child.server import Channel, serve

__all__ = ["Channel", "serve"]
