"""Writes pages with their truth: ``python -m benchmarks.document_pages --out DIR --seed N --count N``.

``NAME.png``, ``.jpg`` or ``.pdf`` with ``NAME.txt`` and ``NAME.json`` beside it, whose form
:mod:`benchmarks.document_pages.truth` has; a name is ``KIND_CONDITION_NUMBER``. The fonts come out of pinned wheels,
which pip downloads once; ``--fonts DIR`` takes those of a folder, and ``--fonts none`` Pillow's own.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.document_pages.fonts import Fonts, NoFonts, fonts_in, pillow_typeface, pinned_fonts
from benchmarks.document_pages.pages import ALL_CONDITIONS, KINDS, has_devanagari, made_pages
from benchmarks.report import at_least


def main(arguments: Sequence[str] | None = None) -> int:
    """Exits 2 where there are no fonts."""
    options = _options().parse_args(arguments)
    try:
        fonts = chosen_fonts(options.fonts)
    except NoFonts as error:
        print(f"benchmarks.document_pages: {error}", file=sys.stderr)
        return 2
    if "hindi" in options.kinds and not has_devanagari(fonts):
        print("benchmarks.document_pages: these fonts have no Devanagari", file=sys.stderr)
        return 2
    options.out.mkdir(parents=True, exist_ok=True)
    for page in made_pages(fonts, options.seed, options.count, options.kinds, options.conditions):
        print(page.write(options.out))
    return 0


def chosen_fonts(wish: str) -> Fonts:
    """``pinned``, ``none`` or a folder. Raises :class:`NoFonts`."""
    match wish:
        case "pinned":
            return pinned_fonts()
        case "none":
            return Fonts([pillow_typeface()])
        case folder:
            return fonts_in(Path(folder))


def _options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="python -m benchmarks.document_pages", description="Pages with their truth")
    options.add_argument("--out", type=Path, required=True)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--count", type=at_least(1), default=len(KINDS) * len(ALL_CONDITIONS))
    options.add_argument("--kinds", nargs="+", choices=list(KINDS), default=[], metavar="KIND", help=", ".join(KINDS))
    options.add_argument(
        "--conditions",
        nargs="+",
        choices=ALL_CONDITIONS,
        default=[],
        metavar="CONDITION",
        help=", ".join(ALL_CONDITIONS),
    )
    options.add_argument("--fonts", default="pinned", help="'pinned' (the default), 'none', or a folder of fonts")
    return options


if __name__ == "__main__":
    sys.exit(main())
