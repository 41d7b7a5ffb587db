"""``python -m local.image``: builds the worker's image from what is committed, and tries it: ``make image-test``.

Debian, buildah, debootstrap and root are needed; packages come from where this machine's pip and apt have them. It
takes about ten minutes and 8 GB of the system's temporary folder, which are free again at the end. Exit codes: 0 the
image is as it should be, 1 it is not or could not be built, 130 Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from local.environment import ROOT
from local.image import machine
from local.image.base import make_base
from local.image.buildah import Buildah
from local.image.checks import CHECKS, Wrong
from local.image.dockerfile import Base, base_of
from local.image.errors import ImageError
from local.image.lint import findings, hadolint
from local.image.machine import Handed
from local.image.sandbox import Sandbox

DOCKERFILE = "docker_worker/Dockerfile"
IMAGE = "localhost/coremachine-worker"


def prove(work: Path) -> bool:
    """Whether the image that the commit's Dockerfile makes has every property. Raises :class:`ImageError`."""
    context, revision = _checked_out(work)
    _say(f"commit {revision[:12]}; what is not committed is not in the image")
    passed = _lint(work, context)
    buildah = Buildah(work / "store")
    try:
        base = base_of((context / DOCKERFILE).read_text("utf-8"))
        handed = _build(buildah, work, context, revision, base)
        root, inspected = buildah.mount(IMAGE), buildah.inspect(IMAGE)
        passed &= _try(Sandbox(root, inspected["Docker"]["config"]))
        passed &= _keeps_nothing(handed, root, inspected)
        _measure(buildah, base.name)
    finally:
        buildah.remove()
    return passed


def build_arguments(base: Base, handed: Handed, revision: str, work: Path, sources: Path) -> list[str]:
    """What the build is given beside the Dockerfile. The base's digest is left out: a stand-in has another."""
    (work / "pip.conf").write_text(handed.pip_conf, "utf-8")
    mounts = {sources: "/etc/apt/sources.list", **{path: str(path) for path in handed.mounts}}
    volumes = [f"--volume={path}:{place}:ro" for path, place in mounts.items()]
    given = [f"--build-arg={name}={value}" for name, value in (("BASE", base.name), ("REVISION", revision))]
    return [*given, f"--secret=id=pip.conf,src={work / 'pip.conf'}", *volumes]


def _checked_out(work: Path) -> tuple[Path, str]:
    git = ["git", "-c", f"safe.directory={ROOT}", "-C", str(ROOT)]
    revision = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    archive = work / "commit.tar"
    subprocess.run([*git, "archive", f"--output={archive}", revision], check=True)
    shutil.unpack_archive(archive, work / "context", filter="data")
    return work / "context", revision


def _lint(work: Path, context: Path) -> bool:
    found = findings(hadolint(work), context / DOCKERFILE)
    _report("hadolint", "\n".join(found) or "clean", good=not found)
    return not found


def _build(buildah: Buildah, work: Path, context: Path, revision: str, base: Base) -> Handed:
    handed = machine.gather(base.suite)
    _say(f"debootstrap makes a stand-in for {base.name}")
    sources = make_base(buildah, base, work / "base", handed.mirror)
    _say(f"buildah builds the Dockerfile ({buildah.driver})")
    buildah.build(IMAGE, context, DOCKERFILE, build_arguments(base, handed, revision, work, sources))
    return handed


def _try(sandbox: Sandbox) -> bool:
    passed = True
    for name, check in CHECKS:
        try:
            _report(name, check(sandbox), good=True)
        except Wrong as wrong:
            _report(name, str(wrong), good=False)
            passed = False
    return passed


def _keeps_nothing(handed: Handed, root: Path, inspected: Mapping[str, Any]) -> bool:
    """Where this machine's packages come from is in no setting, no history and no configuration file of the image."""
    settings = [path for path in (root / "etc").rglob("*") if path.is_file() and not path.is_symlink()]
    texts = [json.dumps(inspected), *(path.read_text("utf-8", "replace") for path in settings)]
    found = machine.traces(handed, texts)
    _report("handed in", f"kept: {found}" if found else "nothing of it is kept", good=not found)
    return not found


def _measure(buildah: Buildah, base: str) -> None:
    """Sizes are of the files, uncompressed; the stand-in's own is not the official base's."""
    ours = buildah.layers(IMAGE)[len(buildah.layers(base)) :]
    for layer in ours:
        _say(f"{layer.size / 1e6:8.1f} MB  {layer.made_by[:80]}")
    _say(f"{sum(layer.size for layer in ours) / 1e6:8.1f} MB  beside the base")


def _report(name: str, what: str, *, good: bool) -> None:
    _say(f"{'ok  ' if good else 'FAIL'}  {name}: {what}")


def _say(line: str) -> None:
    print(f"image: {line}", flush=True)


def main(arguments: Sequence[str]) -> int:
    summary = "Build the worker's image from what is committed, and try it."
    argparse.ArgumentParser(prog="python -m local.image", description=summary).parse_args(arguments)
    try:
        machine.check()
        with tempfile.TemporaryDirectory(prefix="coremachine-image-", ignore_cleanup_errors=True) as folder:
            return 0 if prove(Path(folder)) else 1
    except ImageError as error:
        print(f"image: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nimage: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
