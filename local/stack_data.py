"""The folder in which a stack keeps its data, and the locks that give it to one stack at a time.

::

    FOLDER/
      coremachine-stack.json   says that the folder is a stack's; keys and ports, which stay the same
      lock                     held by the stack and by all processes that write here
      postgres/  service_bus/  storage/
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO

from pydantic import BaseModel, Field, ValidationError

from local.stack_errors import DataUnusable, StackRuns

try:
    import fcntl
except ImportError:  # Windows, where there is no embedded PostgreSQL either
    fcntl = None  # type: ignore[assignment]

MARK = "coremachine-stack.json"
LOCK = "lock"
FOLDERS = ("postgres", "service_bus", "storage")
LOOK_SECONDS = 0.05
SYSTEM_FOLDER = Path("/var/lib/coremachine")


@dataclass(frozen=True, slots=True)
class Kept:
    """What a stack starts with again: 0 is a port that is not chosen yet."""

    service_bus_key: str = field(repr=False)
    storage_key: str = field(repr=False)
    password_key: str = field(repr=False)
    portal_key: str = field(repr=False)
    service_bus_port: int = 0
    storage_port: int = 0


class _Document(BaseModel):
    service_bus_key: str
    storage_key: str
    password_key: str = Field(default_factory=lambda: _random(32))
    portal_key: str = Field(default_factory=lambda: _random(32))
    service_bus_port: int = 0
    storage_port: int = 0


class Lock:
    """Held from its making on, by this process and by all that inherit ``descriptor``; it ends with the last of them.

    Raises :class:`StackRuns` with ``refusal`` where another one has it after ``patience`` seconds still.
    """

    def __init__(self, path: Path, refusal: str, patience: float = 0.0) -> None:
        self._file: IO[str] = path.open("a")
        until = time.monotonic() + patience
        while not self._taken():
            if time.monotonic() >= until:
                self._file.close()
                raise StackRuns(refusal)
            time.sleep(LOOK_SECONDS)

    @property
    def descriptor(self) -> int:
        return self._file.fileno()

    def close(self) -> None:
        self._file.close()

    def _taken(self) -> bool:
        if fcntl is not None:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True


class DataFolder:
    """Made where it is absent. ``patience`` is how long, in seconds, what a killed stack left may take to end.

    Raises :class:`DataUnusable` and :class:`StackRuns`.
    """

    def __init__(self, path: Path, patience: float = 0.0) -> None:
        self.path = path.absolute()
        try:
            self._prepare()
            self._lock = Lock(self.path / LOCK, f"a stack runs, or still ends, with the data in {self.path}", patience)
        except OSError as error:
            raise DataUnusable(f"{error.filename or self.path} cannot be used: {error.strerror}") from error

    @property
    def lock(self) -> int:
        """The descriptor that a process inherits which writes here."""
        return self._lock.descriptor

    def clear(self) -> None:
        """Throw all data away, and the keys with it."""
        for name in FOLDERS:
            shutil.rmtree(self.path / name, ignore_errors=True)
            if (self.path / name).exists():
                raise DataUnusable(f"{self.path / name} cannot be removed")
        self.keep(_new_keys())

    def folder(self, name: str) -> Path:
        return self.path / name

    def own_folder(self, name: str) -> Path:
        """Made where it is absent, for this user alone."""
        self.folder(name).mkdir(mode=0o700, exist_ok=True)
        return self.folder(name)

    def kept(self) -> Kept:
        try:
            document = _Document.model_validate_json((self.path / MARK).read_bytes())
        except (OSError, ValidationError) as error:
            raise DataUnusable(f"{self.path / MARK} is damaged; --fresh makes it anew, without the data") from error
        kept = Kept(**document.model_dump())
        if not {"password_key", "portal_key"} <= document.model_fields_set:  # a folder of before there were these
            self.keep(kept)
        return kept

    def keep_ports(self, service_bus: int, storage: int) -> None:
        """0 leaves a port as it is."""
        kept = self.kept()
        self.keep(
            replace(
                kept,
                service_bus_port=service_bus or kept.service_bus_port,
                storage_port=storage or kept.storage_port,
            )
        )

    def keep(self, kept: Kept) -> None:
        partial = self.path / f"{MARK}.partial"
        partial.touch(0o600)
        partial.write_text(json.dumps(asdict(kept)), "utf-8")
        partial.replace(self.path / MARK)

    def close(self) -> None:
        self._lock.close()

    def _prepare(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        if (self.path / MARK).is_file():
            return
        if any(inside.name not in (LOCK, f"{MARK}.partial") for inside in self.path.iterdir()):
            raise DataUnusable(f"{self.path} holds something else: name an empty folder, or one that is absent")
        # Under root PostgreSQL is another user, who has to get through; what is secret in here is closed by itself.
        self.path.chmod(0o711 if os.geteuid() == 0 else 0o700)
        self.keep(_new_keys())


def default_data(root: Path, environment: Mapping[str, str]) -> Path:
    """A folder for the data of the clone ``root``, outside of it.

    PostgreSQL does not run as root, and the user that it runs as gets into no home of root's. Raises
    :class:`DataUnusable`.
    """
    name = f"{root.name}-{hashlib.sha256(os.fsencode(root)).hexdigest()[:8]}"
    if os.geteuid() == 0:
        return SYSTEM_FOLDER / name
    try:
        state = Path(environment.get("XDG_STATE_HOME") or "~/.local/state").expanduser()
    except RuntimeError as error:
        raise DataUnusable("this user has no home: name a folder for the data with --data") from error
    return state / "coremachine" / name


def _new_keys() -> Kept:
    return Kept(service_bus_key=_random(32), storage_key=_random(64), password_key=_random(32), portal_key=_random(32))


def _random(size: int) -> str:
    return base64.b64encode(secrets.token_bytes(size)).decode()
