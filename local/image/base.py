"""A stand-in for the image that ``FROM`` asks for: Debian's smallest system and Debian's Python of that version."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

from local.image.buildah import GENTLY, Buildah
from local.image.dockerfile import Base
from local.image.errors import ImageError

PACKAGES = ("ca-certificates", "netbase", "python3", "python3-pip", "python3-venv", "tzdata")

# Where the official image has its interpreter, its PATH, and what it runs where it is told nothing.
RECIPE = """\
FROM scratch
COPY root /
RUN ln -s /usr/bin/python3 /usr/local/bin/python3 && ln -s python3 /usr/local/bin/python
ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
CMD ["python3"]
"""


def make_base(buildah: Buildah, base: Base, folder: Path, mirror: str | None) -> Path:
    """An image with the name ``base`` has, without its digest. Gives the file with apt's sources, which it lacks.

    Raises :class:`ImageError` where the system cannot be made, or its Python is another version.
    """
    root = folder / "root"
    root.mkdir(parents=True)
    _debootstrap(root, base.suite, mirror)
    python = f"python{base.python}"
    if not (root / "usr" / "bin" / python).exists():
        raise ImageError(f"Debian {base.suite} has no {python}, so it cannot stand in for {base.name}")
    sources = (root / "etc/apt/sources.list").rename(folder / "sources.list")
    for left in _not_in_the_image(root):
        left.unlink()
    (folder / "Dockerfile").write_text(RECIPE, "utf-8")
    buildah.build(base.name, folder, "Dockerfile")
    return sources


def _not_in_the_image(root: Path) -> Iterator[Path]:
    """What the official image does not have: apt's files, and the byte-code of Python's own modules."""
    yield from (root / "var/cache/apt/archives").glob("*.deb")
    yield from (root / "var/lib/apt/lists").glob("*_*")
    yield from list((root / "usr/lib").glob("python3*/**/*.pyc"))


def _debootstrap(root: Path, suite: str, mirror: str | None) -> None:
    command = [*GENTLY, "debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", suite, str(root)]
    command += [mirror] if mirror else []
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ImageError("debootstrap failed:\n" + "\n".join((done.stdout + done.stderr).splitlines()[-10:]))
