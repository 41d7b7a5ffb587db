"""The environment of a clone: a virtual environment built whole from the locks, the OCR models, and Azurite.

Standard library only, since this runs before anything is installed. A stamp, written last, says what an
environment was built from: where it still holds, nothing is done; else the environment is built anew, so
that an interrupted or outdated one is never mended in place. A mark, written first, says that the folder
is ours to remove. The models are compared by their bytes each time, and mended alone; Azurite, whose folder appears
when it is whole, is looked for. Nothing is written outside the repository, save pip's and npm's own caches where the
user has them.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import hashlib
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from local.azurite_install import is_installed

try:
    import fcntl
except ImportError:  # Windows: two setups at the same time are the user's to avoid
    fcntl = None  # type: ignore[assignment]

ROOT = Path(__file__).resolve().parent.parent
LOCK = "requirements-dev.txt"
SHIM = "docker_worker/opencv_contrib_shim"
SOURCES = (LOCK, f"{SHIM}/pyproject.toml", f"{SHIM}/backend.py", "docker_worker/models.py", "local/environment.py")
STAMP = "coremachine-stamp.json"
OWNED = "coremachine-owned.txt"
SPACE_NEEDED = 1_900_000_000  # bytes: 1.2 GB installed, what pip unpacks on the way, the models, Azurite
MISDIRECTING = (
    "PIP_PREFIX",
    "PIP_REQUIRE_VIRTUALENV",
    "PIP_ROOT",
    "PIP_TARGET",
    "PIP_USER",
    "PYTHONHOME",
    "PYTHONPATH",
)

_CAUSES = (
    ("No space left on device", "the disk is full (the repository, or the folder for temporary files: TMPDIR)"),
    ("Permission denied", "a file may not be written; is the clone, or an older environment, another user's?"),
    ("Failed to establish a new connection", "the package registry was not reached; is there a network?"),
    ("NewConnectionError", "the package registry was not reached; is there a network?"),
    ("Temporary failure in name resolution", "the package registry was not reached; is there a network?"),
    ("ProxyError", "the proxy refused; are HTTPS_PROXY and pip's settings right?"),
    ("timed out", "the package registry did not answer in time; try again"),
    ("SSLError", "the registry's certificate was not accepted; does PIP_CERT name the right one?"),
    (
        "No matching distribution",
        "the package registry did not offer what the lock names, for this platform; see above",
    ),
)


class SetupError(Exception):
    """Why there is no environment, and what to do: one line for a person."""


Fill = Callable[[Path, Path], None]
"""Given ``venv`` and ``root``, makes something in them."""


def ensure(venv: Path, root: Path = ROOT, build: Fill | None = None, fetch: Fill | None = None) -> bool:
    """Make ``venv``, models and Azurite as the locks say. False where they were so. Raises :class:`SetupError`.

    ``build`` fills an empty place, by default with venv and pip; ``fetch`` brings what is missing or damaged of the
    models and of Azurite, by default with :mod:`docker_worker.models` and :mod:`local.azurite_install`.
    """
    key = build_key(root)
    if is_current(venv, key, root):
        return False
    _check_interpreter()
    with _one_at_a_time(root):
        stamp = _stamp(venv, key)
        if stamp is not None and _is_whole(stamp, root):
            return False
        if stamp is None:
            _check_space(root)
            _clear(venv)
            _mark(venv)
            (build or _build)(venv, root)
        (fetch or _fetch)(venv, root)
        _write_stamp(venv, key, root)
    return True


def build_key(root: Path, version: tuple[int, ...] = sys.version_info[:2]) -> str:
    """A digest of all that decides how an environment turns out: the sources, Python's version, the machine."""
    digest = hashlib.sha256(f"{version} {sys.implementation.name} {platform.machine()}".encode())
    for name in SOURCES:
        digest.update(name.encode() + b"\0" + (root / name).read_bytes() + b"\0")
    return digest.hexdigest()


def is_current(venv: Path, key: str, root: Path) -> bool:
    """Whether ``venv`` was built to the end from ``key``, its interpreter exists, and what was fetched is whole."""
    stamp = _stamp(venv, key)
    return stamp is not None and _is_whole(stamp, root)


def _stamp(venv: Path, key: str) -> Mapping[str, str] | None:
    """The SHA-256 of each model's file, as ``venv``'s stamp has them; None where ``venv`` is not that of ``key``."""
    try:
        stamp = json.loads((venv / STAMP).read_text("utf-8"))
        current = stamp["key"] == key and interpreter(venv).exists()
        return dict(stamp["models"]) if current else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _is_whole(digests: Mapping[str, str], root: Path) -> bool:
    """Models are compared by bytes, since a file can be damaged at its size and time: 45 MB, a tenth of a second."""
    try:
        return is_installed(root) and all(_digest(root / name) == digest for name, digest in digests.items())
    except OSError:
        return False


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def interpreter(venv: Path) -> Path:
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def explain(output: str) -> str:
    """The likely cause in what pip or venv printed, else its last line."""
    for sign, cause in _CAUSES:
        if sign in output:
            return cause
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")]
    return (errors or lines or ["it said nothing"])[-1]


def tool_environment(root: Path, inherited: Mapping[str, str]) -> dict[str, str]:
    """``inherited`` without what would send packages elsewhere; the caches are in the clone where home has no room."""
    kept = {name: value for name, value in inherited.items() if name not in MISDIRECTING}
    kept.update(PYTHONNOUSERSITE="1", PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_INPUT="1")
    if not os.access(Path("~").expanduser(), os.W_OK):
        kept.setdefault("PIP_CACHE_DIR", str(root / ".cache" / "pip"))
        kept.setdefault("npm_config_cache", str(root / ".cache" / "npm"))
    return kept


def _check_interpreter() -> None:
    missing = [name for name in ("venv", "ensurepip", "ssl", "zlib") if importlib.util.find_spec(name) is None]
    if not missing:
        return
    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    raise SetupError(
        f"{sys.executable} has no {' and no '.join(missing)} module. On Debian and Ubuntu the package "
        f"python{minor}-venv brings it; or name another Python: make PYTHON=/path/to/python3 ..."
    )


def _check_space(root: Path) -> None:
    free = shutil.disk_usage(root).free
    if free < SPACE_NEEDED:
        raise SetupError(f"{SPACE_NEEDED / 1e9:.1f} GB of disk are needed in {root}; {free / 1e9:.1f} GB are free")


def _clear(venv: Path) -> None:
    """Empty an environment that this set-up made; anything else that stands there is left alone."""
    if not venv.is_dir():
        if venv.exists() or venv.is_symlink():
            raise SetupError(f"{venv} is there and is no folder; move it away, or give another: make VENV=DIR")
        return
    if not any(venv.iterdir()):
        return
    if not any((venv / mark).is_file() for mark in (OWNED, STAMP)):  # the stamp alone: made before there was a mark
        raise SetupError(
            f"{venv} is there and was not made by this set-up; move it away, or give another: make VENV=DIR"
        )
    _mark(venv)
    for inside in venv.iterdir():
        if inside.name != OWNED:  # stays, so that an interrupted clearing is still recognised
            shutil.rmtree(inside) if inside.is_dir() and not inside.is_symlink() else inside.unlink()


def _mark(venv: Path) -> None:
    venv.mkdir(parents=True, exist_ok=True)
    (venv / OWNED).write_text("Made by 'make setup', which removes all of it to make it anew.\n", "utf-8")


def _build(venv: Path, root: Path) -> None:
    base = getattr(sys, "_base_executable", None) or sys.executable  # where this Python is itself in an environment
    python = str(interpreter(venv))
    _say(f"making {venv} with Python {platform.python_version()}")
    _run([base, "-m", "venv", str(venv)], root, "the virtual environment could not be made")
    _say("installing the packages of the lock, about a minute")
    install = [python, "-m", "pip", "install", "--progress-bar=off", "--no-deps", "--only-binary=:all:"]
    _run([*install, f"./{SHIM}", "-r", LOCK], root, "the packages could not be installed", _Progress())


def _fetch(venv: Path, root: Path) -> None:
    _say("fetching the OCR models, 75 MB where they are not here yet")
    _run([str(interpreter(venv)), "-m", "docker_worker.models"], root, "the OCR models could not be fetched")
    if not is_installed(root):
        _say("installing Azurite by npm, 26 MB to fetch")
        _run([str(interpreter(venv)), "-m", "local.azurite_install"], root, "Azurite could not be installed")


def _run(command: list[str], root: Path, failure: str, on_line: Callable[[str], None] | None = None) -> None:
    """Run in ``root``; what it prints is passed on only where it fails. Raises :class:`SetupError`."""
    last_lines: deque[str] = deque(maxlen=60)
    with subprocess.Popen(
        command,
        cwd=root,
        env=tool_environment(root, os.environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            last_lines.append(line)
            if on_line is not None:
                on_line(line)
    if process.returncode != 0:
        output = "".join(last_lines)
        print(output, file=sys.stderr, end="")
        raise SetupError(f"{failure}: {explain(output)}")


class _Progress:
    """Says now and then how far pip is, from the lines that it prints."""

    def __init__(self) -> None:
        self._found = 0

    def __call__(self, line: str) -> None:
        if line.startswith(("Collecting ", "Processing ")):
            self._found += 1
            if self._found % 25 == 0:
                _say(f"{self._found} packages found")
        elif line.startswith("Installing collected packages:"):
            _say(f"unpacking {line.count(',') + 1} packages")


def _write_stamp(venv: Path, key: str, root: Path) -> None:
    models = {str(path.relative_to(root)): _digest(path) for path in sorted((root / ".models").glob("*/inference.*"))}
    partial = venv / f"{STAMP}.partial"
    partial.write_text(json.dumps({"key": key, "models": models}), "utf-8")
    partial.replace(venv / STAMP)


@contextlib.contextmanager
def _one_at_a_time(root: Path) -> Iterator[None]:
    """Hold the clone's setup lock; it ends with the process, however that ends."""
    (root / ".cache").mkdir(exist_ok=True)
    with (root / ".cache" / "setup.lock").open("w") as lock:
        if fcntl is not None:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                _say("another setup of this clone is running; waiting for it")
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _say(line: str) -> None:
    print(f"setup: {line}", flush=True)


def _os_error(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return "the disk is full"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{error.filename} may not be written; is the clone, or an older environment, another user's?"
    return str(error)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m local.setup", description="Make the environment of this clone.")
    parser.add_argument("--venv", type=Path, default=Path(".venv"), help="its folder, from the clone (default: .venv)")
    venv: Path = ROOT / parser.parse_args(arguments).venv
    try:
        if ensure(venv):
            _say(f"done; {interpreter(venv)} runs it")
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"setup: {_os_error(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nsetup: interrupted; run it again to go on", file=sys.stderr)
        return 130
    return 0
