"""The commands that use a service over HTTP: ``ocr``, ``jobs``, ``events`` and what acts on jobs."""

from local.client.commands import add_commands

__all__ = ["add_commands"]
