"""From what PaddleOCR 3.x gives for a page to :class:`handlers.document.engine.PageText`.

A result is a subclass of ``dict``: its values are keys, not attributes. Whatever does not have the shape that
is described here raises :class:`OcrFailed`; nothing unknown is taken for a page without text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from handlers.document.engine import Line, PageText, Point, Quad, Word, mean_confidence, sure_characters
from handlers.document.errors import OcrFailed
from handlers.document.layout import ordered
from handlers.document.reading_order import turn_back

UPRIGHT_TURNS: Mapping[int, int] = {-1: 0, 0: 0, 90: 1, 180: 2, 270: 3}
"""Quarter turns counter-clockwise that PaddleX gave the page, by what its classifier said. -1: it was not asked."""

TURN_BORNE_OUT = 0.85
"""The mean confidence from which a page that the classifier turned is taken to stand right. Short, wide pages that it
turns upside down are read with 0.53 to 0.75, the same pages upright with 0.95 and more."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The page that was given, in pixels, and what read it."""

    width: int
    height: int
    engine: str
    models: tuple[str, ...]


def page_text_of(results: object, origin: Origin, *, classified: bool = True) -> PageText:
    """The text of the one page in ``results``, its lines in reading order. Raises :class:`OcrFailed`.

    ``classified`` says that PaddleX was asked to turn the page upright; its result names the turn only then.
    """
    result = _only_result(results)
    turns = _quarter_turns(result) if classified else 0
    width, height = (origin.height, origin.width) if turns % 2 else (origin.width, origin.height)
    pieces = ordered(_pieces(result, width, height), width, height)
    return PageText(
        lines=tuple(_turned(line, turns, origin) for line in pieces),
        width=origin.width,
        height=origin.height,
        angle=float(turns * 90 if turns < 3 else -90),
        engine=origin.engine,
        models=origin.models,
    )


def turned_in_doubt(read: PageText) -> bool:
    """Whether the page was turned, and the reading does not bear out that this was right."""
    return read.angle != 0 and (mean_confidence(read.lines) or 0.0) < TURN_BORNE_OUT


def better_reading(turned: PageText, as_given: PageText) -> PageText:
    """The reading with more :func:`sure_characters`. Their mean would favour a page number over a faint page."""
    better = max(turned, as_given, key=lambda read: sure_characters(read.lines))
    return replace(better, angle=better.angle if better.lines else 0.0, orientation_unsure=bool(better.lines))


def _only_result(results: object) -> Mapping[str, object]:
    if not isinstance(results, list) or len(results) != 1 or not isinstance(results[0], Mapping):
        raise OcrFailed("PaddleOCR gave something else than one result for one page")
    return results[0]


def _quarter_turns(result: Mapping[str, object]) -> int:
    preprocessed = result.get("doc_preprocessor_res")
    angle = preprocessed.get("angle") if isinstance(preprocessed, Mapping) else None
    turns = UPRIGHT_TURNS.get(angle) if isinstance(angle, int) else None
    if turns is None:
        raise OcrFailed(f"PaddleOCR's result has the orientation {angle!r}")
    return turns


def _pieces(result: Mapping[str, object], width: int, height: int) -> Iterator[Line]:
    texts, scores, polygons = (_sequence(result, key) for key in ("rec_texts", "rec_scores", "rec_polys"))
    if not len(texts) == len(scores) == len(polygons):
        raise OcrFailed(f"PaddleOCR's result has {len(texts)} texts, {len(scores)} scores and {len(polygons)} polygons")
    words = _word_columns(result, len(texts))
    for text, score, points, (parts, regions) in zip(texts, scores, polygons, words, strict=True):
        if not isinstance(text, str):
            raise OcrFailed(f"PaddleOCR's result has a {type(text).__name__} for a text")
        polygon = _quad(points, width, height)
        # Detection marks stains and rules too; for these recognition gives nothing.
        if text.strip():
            yield Line(text.strip(), _score(score), polygon, _words(text, polygon, parts, regions))


def _sequence(result: Mapping[str, object], key: str) -> Sequence[object]:
    value = result.get(key)
    if not isinstance(value, list):
        raise OcrFailed(f"PaddleOCR's result has a {type(value).__name__} for {key}")
    return value


def _score(score: object) -> float:
    try:
        value = float(score)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise OcrFailed(f"PaddleOCR's result has a {type(score).__name__} for a score") from error
    if not -1e-6 <= value <= 1 + 1e-6:
        raise OcrFailed(f"PaddleOCR's result has the score {value}")
    return min(1.0, max(0.0, value))


def _quad(points: object, width: int, height: int) -> Quad:
    """Four corners, held to the page: detection grows its boxes past the page's edge."""
    try:
        first, second, third, fourth = ((float(x), float(y)) for x, y in points)  # type: ignore[attr-defined]
    except (TypeError, ValueError) as error:
        raise OcrFailed("PaddleOCR's result has a polygon that is not four points") from error

    def on_page(point: Point) -> Point:
        x, y = point
        if not (abs(x) < 1e6 and abs(y) < 1e6):
            raise OcrFailed("PaddleOCR's result has a polygon far outside the page")
        return (min(max(x, 0.0), float(width)), min(max(y, 0.0), float(height)))

    return (on_page(first), on_page(second), on_page(third), on_page(fourth))


def _word_columns(result: Mapping[str, object], count: int) -> Sequence[tuple[object, object]]:
    """Each line's pieces and their boxes; nothing where the result has none, which a page without text may not."""
    pieces, regions = result.get("text_word"), result.get("text_word_region")
    if isinstance(pieces, list) and isinstance(regions, list) and len(pieces) == len(regions) == count:
        return list(zip(pieces, regions, strict=True))
    return [(None, None)] * count


def _words(text: str, polygon: Quad, pieces: object, regions: object) -> tuple[Word, ...] | None:
    """The words of a line, from the pieces that PaddleX cut it into by the recogniser's time steps.

    A piece is a word, a run of blanks and punctuation, or one Chinese character; its box is upright. ``None``
    where the pieces do not make up the text, or the line runs downwards, for which PaddleX's boxes are not right.
    """
    if not isinstance(pieces, list) or not isinstance(regions, list) or len(pieces) != len(regions):
        return None
    if "".join(map(str, pieces)) != text or _runs_down(polygon):
        return None
    spans = list(_character_spans(pieces, regions))
    words = []
    for blank, group in groupby(zip(text, spans, strict=True), key=lambda pair: pair[0].isspace()):
        members = list(group)
        if not blank:
            start, end = members[0][1][0], members[-1][1][1]
            words.append(Word("".join(character for character, _ in members), _slice(polygon, start, end)))
    return tuple(words)


def _character_spans(pieces: Sequence[str], regions: Sequence[Sequence[Point]]) -> Iterator[tuple[float, float]]:
    """Where each character starts and ends in x, the characters of a piece sharing its box evenly."""
    for piece, region in zip(pieces, regions, strict=True):
        left, right = float(region[0][0]), float(region[1][0])
        step = (right - left) / max(1, len(piece))
        for index in range(len(piece)):
            yield (left + index * step, left + (index + 1) * step)


def _runs_down(polygon: Quad) -> bool:
    (x1, y1), (x2, y2), _, (x4, y4) = polygon
    return abs(x2 - x1) + abs(y2 - y1) < abs(x4 - x1) + abs(y4 - y1)


def _slice(polygon: Quad, start: float, end: float) -> Quad:
    """The part of a line's polygon between two positions in x, along its own upper and lower edge."""
    top_left, top_right, bottom_right, bottom_left = polygon
    width = top_right[0] - top_left[0]
    if width <= 0:
        return polygon
    from_, to = (min(1.0, max(0.0, (x - top_left[0]) / width)) for x in (start, end))
    return (
        _between(top_left, top_right, from_),
        _between(top_left, top_right, to),
        _between(bottom_left, bottom_right, to),
        _between(bottom_left, bottom_right, from_),
    )


def _between(a: Point, b: Point, share: float) -> Point:
    return (a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share)


def _turned(line: Line, turns: int, origin: Origin) -> Line:
    if turns == 0:
        return line

    def back(polygon: Quad) -> Quad:
        return turn_back(polygon, turns, origin.width, origin.height)

    words = None if line.words is None else tuple(Word(w.text, back(w.polygon), w.confidence) for w in line.words)
    return Line(line.text, line.confidence, back(line.polygon), words)
