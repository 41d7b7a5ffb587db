"""Wraps the keys of encrypted files anew: ``python -m infrastructure.sealed [--prefix raw/] [--after PATH]``.

It may be stopped and begun again; what the current key wraps is passed over. Once it has passed over all, the old key
can leave the settings. Exit codes: 0 all are wrapped by the current key, 1 some cannot be opened, 2 wrong use or
settings, 3 the storage or the vault is away.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TextIO

from core.errors import CoreMachineError, TransientError
from core.ports import BlobStore
from core.system import SystemClock
from handlers.portal.errors import SealingKeyUnavailable
from infrastructure.blob_storage.connection import blob_service
from infrastructure.blob_storage.store import AzureBlobStore
from infrastructure.sealed.ring import key_ring
from infrastructure.sealed.rotation import KeyRotation
from infrastructure.settings import Settings

A_PASS = 100
"""Objects after which it tells how far it is."""


def main(arguments: Sequence[str], environment: Mapping[str, str], out: TextIO = sys.stdout) -> int:
    parser = argparse.ArgumentParser(prog="python -m infrastructure.sealed", description="Wrap files' keys anew")
    parser.add_argument("--prefix", default="", help="only files whose path begins with it, as raw/")
    parser.add_argument("--after", default="", help="go on behind this path")
    asked = parser.parse_args(arguments)
    try:
        settings = Settings.from_environment(environment)
        with blob_service(settings) as service:
            blobs = AzureBlobStore(service, settings.storage_container)
            return rotate(blobs, settings, asked.prefix, asked.after, out)
    except (TransientError, SealingKeyUnavailable) as error:
        out.write(f"{error.code}: {error.message}\n")
        return 3
    except CoreMachineError as error:
        out.write(f"{error.code}: {error.message}\n")
        return 2


def rotate(blobs: BlobStore, settings: Settings, prefix: str, after: str, out: TextIO) -> int:
    """Every object from behind ``after``; how far it is goes to ``out``. The exit code. Raises as
    :meth:`KeyRotation.rotate_all`.
    """
    rotation = KeyRotation(blobs, key_ring(settings, SystemClock()))
    failed = wrapped = 0
    while True:
        done = rotation.rotate_all(prefix, after, A_PASS)
        wrapped, failed = wrapped + done.wrapped, failed + len(done.failures)
        out.writelines(f"{failure.path}: {failure.code}\n" for failure in done.failures)
        if done.whole:
            out.write(f"{wrapped} wrapped anew, {failed} cannot be opened\n")
            return 1 if failed else 0
        after = done.last or after
        out.write(f"{wrapped} wrapped anew; go on with --after {after}\n")
        out.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
