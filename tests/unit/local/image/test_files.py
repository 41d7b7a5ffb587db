from __future__ import annotations

import os
from pathlib import Path

import pytest

from local.image import files


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in sorted(files.APP):
        (tmp_path / "app" / name).mkdir(parents=True)
    for name in ("usr/bin", "venv/bin", "venv/lib", "tmp", "etc"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "tmp").chmod(0o1777)
    return tmp_path


def put(root: Path, name: str) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o644)
    return path


def test_a_compiler_is_found_by_its_plain_and_its_versioned_name(root: Path) -> None:
    for name in ("usr/bin/gcc-12", "venv/bin/cmake", "usr/bin/cat"):
        put(root, name)

    assert files.build_tools(root) == ["cmake", "gcc-12"]


def test_caches_lists_and_settings_that_were_handed_in_are_leftovers(root: Path) -> None:
    for name in ("root/.cache/pip/a", "var/lib/apt/lists/b", "var/lib/apt/lists/lock", "etc/pip.conf", "etc/passwd"):
        put(root, name)

    assert files.leftovers(root) == ["etc/pip.conf", "root/.cache/pip/a", "var/lib/apt/lists/b"]


def test_a_module_without_byte_code_is_found(root: Path) -> None:
    put(root, "app/core/machine.py")
    put(root, "venv/lib/a/__pycache__/b.cpython-311.pyc")
    put(root, "venv/lib/a/b.py")
    put(root, "venv/lib/a/not-a-module.py")

    assert files.uncompiled(root) == ["app/core/machine.py"]


def test_what_is_no_part_of_a_worker_or_is_missing_is_a_stranger(root: Path) -> None:
    put(root, "app/tests/test_a.py")
    put(root, "app/docker_worker/requirements.txt")
    (root / "app" / "handlers").rmdir()

    assert files.strangers(root) == ["app/docker_worker/requirements.txt", "handlers", "tests"]


def test_a_file_that_anybody_may_write_to_is_found_and_the_temporary_folder_is_not(root: Path) -> None:
    put(root, "app/core/open.py").chmod(0o666)
    (root / "etc/link").symlink_to("nowhere")

    assert files.writable(root, user=os.getuid() + 1) == ["app/core/open.py"]


def test_all_that_the_user_owns_is_found(root: Path) -> None:
    assert "etc" in files.writable(root, user=os.getuid())


def test_libraries_that_are_missing_or_that_only_this_base_has_are_found() -> None:
    said = [
        "/venv/a.so:",
        "\tlinux-vdso.so.1 (0x1)",
        "\tlibc.so.6 => /lib/libc.so.6 (0x1)",
        "\tlibgl.so => not found",
        "\tlibown.so => /venv/libs/libown.so (0x1)",
        "\t/lib64/ld-linux-x86-64.so.2 (0x1)",
        "/venv/b.so:",
        "\tlibssl.so.3 => /lib/libssl.so.3 (0x1)",
        "\tlibm.so.6 => not found",
        "\tlibbeside.so => not found",
        "\tlibelsewhere.so => not found",
        "\tstatically linked",
        "/venv/libbeside.so:",
        "/venv/other/libelsewhere.so:",
    ]

    assert files.unexpected_libraries(said) == {
        "libgl.so": "/venv/a.so",
        "libm.so.6": "/venv/b.so",
        "libelsewhere.so": "/venv/b.so",
        "libssl.so.3": "/venv/b.so",
    }
