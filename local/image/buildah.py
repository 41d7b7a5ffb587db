"""Buildah in a store of its own, which ends with it; no daemon, and ``RUN`` in a chroot."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.image.errors import ImageError

_NOISE = re.compile(r"^/bin/sh -c (#\(nop\) )?|(?<=COPY )(file|dir|multi):[0-9a-f]+ in ")
GENTLY = ("nice", "-n", "10")


@dataclass(frozen=True, slots=True)
class Layer:
    """``size`` in bytes, uncompressed; ``made_by`` is the instruction that it is of."""

    made_by: str
    size: int


class Buildah:
    """Images and containers in ``folder``. Methods raise :class:`ImageError` with the end of what Buildah said."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()
        driver = "overlay" if _overlay_works(folder) else "vfs"
        self.driver = driver
        self._command = ["buildah", "--root", str(folder / "root"), "--runroot", str(folder / "run")]
        self._command += ["--storage-driver", driver]

    def build(self, name: str, context: Path, dockerfile: str, arguments: Sequence[str] = ()) -> None:
        """As Docker does: a layer for each instruction, in Docker's format, which has health checks."""
        build = ["bud", "--layers", "--isolation", "chroot", "--format", "docker", "--pull-never"]
        self._run([*build, *arguments, "--tag", name, "--file", str(context / dockerfile), str(context)])

    def inspect(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._run(["inspect", "--type", "image", name]))
        return found

    def mount(self, name: str) -> Path:
        """The root of a new container of the image ``name``."""
        container = self._run(["from", "--pull-never", name]).strip()
        return Path(self._run(["mount", container]).strip())

    def layers(self, name: str) -> tuple[Layer, ...]:
        """The layers of the image ``name``, the base's first."""
        kept = json.loads((self._folder / "root" / f"{self.driver}-layers" / "layers.json").read_text("utf-8"))
        sizes = {layer["diff-digest"]: int(layer["diff-size"]) for layer in kept if "diff-digest" in layer}
        return layers_of(self.inspect(name), sizes)

    def remove(self) -> None:
        """Containers are unmounted and all of it is deleted."""
        itself = ["umount", str(self._folder / "root" / "overlay")]  # the driver mounts its folder onto itself
        for command in ([*self._command, "umount", "--all"], [*self._command, "rm", "--all"], itself):
            subprocess.run(command, capture_output=True, check=False)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, arguments: list[str]) -> str:
        command = [*GENTLY, *self._command, *arguments]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            said = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
            raise ImageError(f"buildah {arguments[0]} ended with {done.returncode}:\n{said}")
        return done.stdout


def layers_of(inspected: Mapping[str, Any], sizes: Mapping[str, int]) -> tuple[Layer, ...]:
    """The image's layers, the base's first; ``sizes`` by digest. What made no layer is not among them."""
    made = [step.get("created_by", "") for step in inspected["OCIv1"]["history"] if not step.get("empty_layer")]
    digests = inspected["OCIv1"]["rootfs"]["diff_ids"]
    return tuple(Layer(_NOISE.sub("", text), sizes[digest]) for text, digest in zip(made, digests, strict=True))


def _overlay_works(folder: Path) -> bool:
    """Whether the file system under ``folder`` takes overlays: within a container it may not."""
    parts = {name: folder / f"try-{name}" for name in ("lower", "upper", "work", "merged")}
    for part in parts.values():
        part.mkdir()
    options = f"lowerdir={parts['lower']},upperdir={parts['upper']},workdir={parts['work']}"
    mount = ["mount", "-t", "overlay", "overlay", "-o", options, str(parts["merged"])]
    unmount = ["umount", str(parts["merged"])]
    try:
        if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
            return False
        subprocess.run(unmount, capture_output=True, check=True)
        return True
    finally:
        for part in parts.values():
            shutil.rmtree(part)
