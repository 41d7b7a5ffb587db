"""What can stop the proof, each with one line that a user can act on.

::

    LocalError
    +-- ImageError           the image could not be built or looked at
        +-- ToolsMissing     this machine lacks programs or rights that it needs
"""

from __future__ import annotations

from local.errors import LocalError


class ImageError(LocalError):
    pass


class ToolsMissing(ImageError):
    pass
