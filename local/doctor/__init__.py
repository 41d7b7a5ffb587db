"""The doctor: facts of an installation, checks that are pure functions of them, and what it says."""

from local.doctor.command import add_command

add_commands = add_command

__all__ = ["add_command", "add_commands"]
