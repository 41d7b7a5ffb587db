"""What can stop a local command, each with one line that a user can act on.

::

    LocalError
    +-- SettingsInvalid      local.settings.json
    +-- HostFileInvalid      host.json
    +-- AppNotLoadable       the function app cannot be imported or indexed
    +-- AppInvalid           the real host would refuse a function; one line a problem
    +-- PortUnavailable      the address is in use or not ours to bind
    +-- HostDied             a host that was started as a child ended by itself; the end of what it said
    +-- DemoFailed           the demo's job or its input
    +-- NotSetUp             this Python lacks a package of the lock
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


class HostDied(LocalError):
    pass


class DemoFailed(LocalError):
    pass


class NotSetUp(LocalError):
    pass
