"""What can stop a local command, each with one line that a user can act on.

::

    LocalError
    +-- SettingsInvalid      local.settings.json
    +-- HostFileInvalid      host.json
    +-- AppNotLoadable       the function app cannot be imported or indexed
    +-- AppInvalid           the real host would refuse a function; one line a problem
    +-- PortUnavailable      the address is in use or not ours to bind
    +-- DemoFailed           the demo's job, its host or its input
"""

from __future__ import annotations


class LocalError(Exception):
    """Base of the tree; ``str(error)`` is shown to the user as it is and holds nothing secret."""


class SettingsInvalid(LocalError):
    pass


class HostFileInvalid(LocalError):
    pass


class AppNotLoadable(LocalError):
    pass


class AppInvalid(LocalError):
    pass


class PortUnavailable(LocalError):
    pass


class DemoFailed(LocalError):
    pass
