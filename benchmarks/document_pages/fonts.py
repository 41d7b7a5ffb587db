"""The typefaces that pages are set in: out of pinned wheels, out of a folder, or Pillow's own.

The wheels are downloaded by pip, and neither installed nor run; a font is taken from one where its SHA-256 is the
pinned one. All are under the SIL Open Font License or Apache-2.0.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import io
import lzma
import subprocess
import sys
import tempfile
import unicodedata
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

from fontTools.ttLib import TTFont
from PIL import ImageFont

DEFAULT_ROOT = Path(__file__).resolve().parents[2] / ".cache" / "fonts"


class Family(StrEnum):
    SERIF = "serif"
    SANS = "sans"
    MONO = "mono"
    DEVANAGARI = "devanagari"


@dataclass(frozen=True, slots=True)
class Face:
    """One font file: TrueType or OpenType, as bytes."""

    name: str
    data: bytes

    @property
    def is_truetype(self) -> bool:
        return self.data[:4] in {b"\x00\x01\x00\x00", b"true"}

    def at(self, pixels: int) -> ImageFont.FreeTypeFont:
        return _loaded(self.data, pixels)

    def printable(self, text: str) -> str:
        """``text`` in the characters that the face has: a letter without its accents, or not at all, where it lacks
        it."""
        known = _characters(self.data)
        plain = (c if ord(c) in known else unicodedata.normalize("NFD", c)[0] for c in text)
        return "".join(c for c in plain if ord(c) in known)

    def length(self, text: str, size: float) -> float:
        """How far ``text`` runs at ``size``, in the unit of ``size``: measured large, since pixels round."""
        return self.at(200).getlength(text) * size / 200


@dataclass(frozen=True, slots=True)
class Typeface:
    family: Family
    regular: Face
    bold: Face


@dataclass(frozen=True, slots=True)
class _Pin:
    wheel: str
    family: Family
    members: tuple[tuple[str, str], ...]
    """Path in the wheel and SHA-256 of the font: the regular one, and the bold one where there is one."""


PINS = (
    _Pin(
        "font-caladea==0.0.2",
        Family.SERIF,
        (
            (
                "font_caladea/files/Caladea-Regular.ttf",
                "d2f6cad33f191e65b68bd74e6d4f7708080a41b32db635866109df3090265d91",
            ),
            ("font_caladea/files/Caladea-Bold.ttf", "74eda4fc5ffba0d8dc4aa76d41499f5ab76168d9ed6141c6417064c6244db9b6"),
        ),
    ),
    _Pin(
        "font-source-serif-pro==0.0.1",
        Family.SERIF,
        (
            (
                "font_source_serif_pro/files/SourceSerifPro-Regular.ttf",
                "b4e0771f06d8f6573a535312762b0b2f4fb9a03372239e39b0e7cf203da8ea9a",
            ),
            (
                "font_source_serif_pro/files/SourceSerifPro-Semibold.ttf",
                "83cc8531f284efb749bbb54f9fb4a0e0450cba918a41df76fabb3a42f2f95899",
            ),
        ),
    ),
    _Pin(
        "font-lato==0.1.0",
        Family.SANS,
        (
            ("font_lato/files/Lato-Regular.ttf", "e82542aed8293f49fc83c4aaea566b1f6b4fc7a9ab5da11e6fb9bc0973b5324b"),
            ("font_lato/files/Lato-Bold.ttf", "d7f0b7f2570f2f28b504da1181b4d71b1420b10be2c4fd690927f1c8ee3b19c3"),
        ),
    ),
    _Pin(
        "ttf-opensans==2020.10.30",
        Family.SANS,
        (
            (
                "ttf_opensans/ttf/OpenSans-Regular.ttf",
                "037236ed4bf58a85f67074c165d308260fd6be01c86d7df4e79ea16eb273f8c5",
            ),
            ("ttf_opensans/ttf/OpenSans-Bold.ttf", "f7916a37377e38527d4306303cfe89b653b49b0a6b0b05c6b7593f7ab0248da8"),
        ),
    ),
    _Pin(
        "pymupdf-fonts==1.0.5",
        Family.MONO,
        (
            ("pymupdf_fonts/FiraMono_Regular.py", "1783904b9a03d1852ed185549d74526d9f6a4a643181eb591c3a69993ae42ced"),
            ("pymupdf_fonts/FiraMono_Bold.py", "12b994171a99952fead7756658dfcf3dc69d79e07fff3303444f003580df9a19"),
        ),
    ),
    _Pin(
        "manimgx-fonts==2026.9.26.post1",
        Family.DEVANAGARI,
        (
            (
                "manimgx_fonts/NotoSansDevanagari[wght].ttf",
                "bf99bf762743ff3259e73196852520ab0ffe8d384238bff3e4806a84b981e972",
            ),
        ),
    ),
)


class NoFonts(Exception):
    """The fonts that were asked for are not to be had. The text is for the user."""


class Fonts:
    """The typefaces at hand. A family that has none is stood in for by another Latin one; Devanagari is not."""

    def __init__(self, typefaces: Sequence[Typeface]) -> None:
        self._typefaces = tuple(typefaces)

    def of(self, *families: Family) -> tuple[Typeface, ...]:
        """At least one for Latin families; maybe none for :attr:`Family.DEVANAGARI`."""
        found = tuple(face for face in self._typefaces if face.family in families)
        if found or Family.DEVANAGARI in families:
            return found
        return tuple(face for face in self._typefaces if face.family is not Family.DEVANAGARI) or (pillow_typeface(),)

    def truetype(self) -> Fonts:
        """Those that a PDF can embed as they are; Pillow's own where there is none."""
        return Fonts([face for face in self._typefaces if face.regular.is_truetype and face.bold.is_truetype])

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(face.regular.name for face in self._typefaces)


def pinned_fonts(root: Path = DEFAULT_ROOT) -> Fonts:
    """What the pinned wheels bring, kept under ``root``. Raises :class:`NoFonts` where pip cannot bring a wheel."""
    return Fonts([_typeface(pin.family, [_kept(root, pin, *member) for member in pin.members]) for pin in PINS])


def fonts_in(folder: Path) -> Fonts:
    """The typefaces of a folder such as a system's, by their files' names. Raises :class:`NoFonts` where none is."""
    files = sorted(path for suffix in ("ttf", "otf") for path in folder.rglob(f"*.{suffix}"))
    regular = [path for path in files if _is_upright_text(path.stem)]
    typefaces = [_from_folder(path, files) for path in regular]
    if not typefaces:
        raise NoFonts(f"{folder} has no font of a regular weight")
    return Fonts(typefaces)


def pillow_typeface() -> Typeface:
    """Pillow's own font, a sans serif for the Latin of western Europe, in its one weight."""
    source = ImageFont.load_default(size=20)
    if not isinstance(source, ImageFont.FreeTypeFont) or not isinstance(source.path, io.BytesIO):
        raise NoFonts("this Pillow is built without FreeType")
    face = Face("Pillow's own", source.path.getvalue())
    return Typeface(Family.SANS, face, face)


def _typeface(family: Family, faces: Sequence[Face]) -> Typeface:
    return Typeface(family, faces[0], faces[-1])


def _kept(root: Path, pin: _Pin, member: str, sha256: str) -> Face:
    """The font of a wheel, from ``root`` or, the first time, from the wheel itself."""
    name = Path(member).stem
    path = root / f"{name}.font"
    if not path.is_file() or _digest(path.read_bytes()) != sha256:
        data = _font_of(_downloaded(pin.wheel, root), member)
        if _digest(data) != sha256:
            raise NoFonts(f"{member} of {pin.wheel} has another SHA-256 than the pinned one")
        partial = path.with_suffix(".partial")
        partial.write_bytes(data)
        partial.replace(path)
    return Face(name.partition("[")[0], path.read_bytes())


def _downloaded(wheel: str, root: Path) -> Path:
    name, _, version = wheel.partition("==")
    pattern = f"{name.replace('-', '_')}-{version}-*.whl"
    root.mkdir(parents=True, exist_ok=True)
    for found in root.glob(pattern):
        return found
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=root) as folder:
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
        command += ["--only-binary=:all:", "--dest", folder, wheel]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
        for made in Path(folder).glob(pattern):
            return made.replace(root / made.name)
    raise NoFonts(f"pip could not download {wheel}: {(done.stderr.strip() or 'it said nothing').splitlines()[-1]}")


def _font_of(wheel: Path, member: str) -> bytes:
    try:
        with zipfile.ZipFile(wheel) as archive:
            data = archive.read(member)
    except (zipfile.BadZipFile, KeyError) as error:
        raise NoFonts(f"{wheel.name} is not the wheel that was expected: {error}") from error
    return _font_in_module(data) if member.endswith(".py") else data


def _font_in_module(source: bytes) -> bytes:
    """The font that a module holds as a literal: base64 of LZMA, read and not run."""
    literals = (node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant))
    return lzma.decompress(base64.b64decode(max((value for value in literals if isinstance(value, bytes)), key=len)))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


_OTHER_STYLES = (
    "bold",
    "italic",
    "oblique",
    "light",
    "thin",
    "black",
    "medium",
    "condensed",
    "math",
    "symbol",
    "emoji",
)


def _is_upright_text(stem: str) -> bool:
    return not any(style in stem.lower() for style in _OTHER_STYLES)


def _from_folder(path: Path, files: Sequence[Path]) -> Typeface:
    base = path.stem.removesuffix("-Regular")
    bold = next((other for other in files if other.stem == f"{base}-Bold"), path)
    return Typeface(_family_of(base), *(Face(file.stem, file.read_bytes()) for file in (path, bold)))


def _family_of(name: str) -> Family:
    return next((family for family, marks in _MARKS if any(mark in name.lower() for mark in marks)), Family.SANS)


def _marks() -> Iterator[tuple[Family, tuple[str, ...]]]:
    yield Family.DEVANAGARI, ("devanagari", "lohit", "mangal")
    yield Family.MONO, ("mono", "courier", "typewriter")
    yield Family.SERIF, ("serif", "times", "georgia", "garamond", "roman")


_MARKS = tuple(_marks())


@lru_cache(maxsize=64)
def _characters(data: bytes) -> frozenset[int]:
    return frozenset(TTFont(io.BytesIO(data)).getBestCmap())


@lru_cache(maxsize=256)
def _loaded(data: bytes, pixels: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(io.BytesIO(data), pixels)
