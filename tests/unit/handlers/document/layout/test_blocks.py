from __future__ import annotations

import pytest

from handlers.document.engine import Line
from handlers.document.layout import Block, BlockKind, blocks, flowing, goes_on, ordered
from tests.support.printed import HEIGHT, PITCH, SIZE, WIDTH, Printer, piece

SEEDS = range(6)
STEP = SIZE * PITCH


def kinds(lines: list[Line]) -> list[tuple[BlockKind, int]]:
    return [(block.kind, len(block.lines)) for block in blocks(lines, WIDTH, HEIGHT)]


def full(printer: Printer, left: float, top: float, width: float, count: int, indent: float = 0.0) -> list[Line]:
    """A paragraph of full lines but the last; its first is set in."""
    return [
        piece(
            printer.text(60),
            left + (indent if line == 0 else 0),
            top + line * STEP,
            width=(width - (indent if line == 0 else 0)) * (0.5 if line == count - 1 else 1),
        )
        for line in range(count)
    ]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_page_of_a_book_is_header_number_heading_paragraphs_and_footer(seed: int) -> None:
    printer = Printer(seed)
    page = [
        piece("The Castle of Words", 600, 90),
        piece("117", 1_450, 90),
        piece("A Chapter", 700, 300, 50),
        *full(printer, 200, 420, 1_300, 6, indent=40),
        *full(printer, 200, 420 + 6 * STEP, 1_300, 5, indent=40),
        *full(printer, 200, 420 + 12.5 * STEP, 1_300, 7),
        piece("INTERLUDE", 750, 420 + 22 * STEP),
        *full(printer, 200, 420 + 24 * STEP, 1_300, 4),
        piece("printed somewhere", 650, 2_120),
    ]

    assert kinds(page) == [
        (BlockKind.HEADER, 1),
        (BlockKind.PAGE_NUMBER, 1),
        (BlockKind.TITLE, 1),
        (BlockKind.PARAGRAPH, 6),
        (BlockKind.PARAGRAPH, 5),
        (BlockKind.PARAGRAPH, 7),
        (BlockKind.HEADING, 1),
        (BlockKind.PARAGRAPH, 4),
        (BlockKind.FOOTER, 1),
    ]


def test_a_smaller_heading_is_one_beside_the_title() -> None:
    printer = Printer(0)
    page = [
        piece("The title", 600, 300, 60),
        piece("1 A section", 200, 420, 36),
        *full(printer, 200, 480, 1_300, 4),
    ]

    assert [kind for kind, _ in kinds(page)] == [BlockKind.TITLE, BlockKind.HEADING, BlockKind.PARAGRAPH]


@pytest.mark.parametrize("seed", SEEDS)
def test_columns_are_blocks_of_their_own(seed: int) -> None:
    printer = Printer(seed)
    lines = ordered(
        [*full(printer, 150, 300, 680, 8), *full(printer, 870, 300, 680, 8)],
        WIDTH,
        HEIGHT,
    )

    assert [block.lines for block in blocks(lines, WIDTH, HEIGHT)] == [tuple(range(8)), tuple(range(8, 16))]


@pytest.mark.parametrize("marker", ["\u2022", "-", "1.", "12)", "(a)", "b."])
def test_lines_with_a_marker_are_list_items_with_what_hangs_under_them(marker: str) -> None:
    lines = [
        line
        for item in range(3)
        for line in (
            piece(f"{marker} what the item says at some length", 200, 300 + 2 * item * STEP, width=900),
            piece("and goes on in a second line", 240, 300 + (2 * item + 1) * STEP, width=600),
        )
    ]

    assert kinds(lines) == [(BlockKind.LIST_ITEM, 2)] * 3


def table_of(*rows: tuple[str, ...], lefts: tuple[float, ...] = (200, 600, 1_000), top: float = 400) -> list[Line]:
    return [
        piece(text, left, top + 1.8 * SIZE * row)
        for row, cells in enumerate(rows)
        for left, text in zip(lefts, cells, strict=False)
        if text
    ]


def cells_of(table: Block, lines: list[Line]) -> dict[tuple[int, int], str]:
    return {(cell.row, cell.column): " ".join(lines[i].text for i in cell.lines) for cell in table.cells}


def test_a_table_has_rows_columns_and_empty_cells() -> None:
    lines = table_of(("name", "place", "sum"), ("anna", "", "12.50"), ("bert", "rome", "7"), ("carl", "oslo", "9"))

    (table,) = blocks(lines, WIDTH, HEIGHT)

    assert (table.kind, table.row_count, table.column_count) == (BlockKind.TABLE, 4, 3)
    assert cells_of(table, lines) == {
        (0, 0): "name",
        (0, 1): "place",
        (0, 2): "sum",
        (1, 0): "anna",
        (1, 2): "12.50",
        (2, 0): "bert",
        (2, 1): "rome",
        (2, 2): "7",
        (3, 0): "carl",
        (3, 1): "oslo",
        (3, 2): "9",
    }


def test_a_cell_over_two_columns_spans_them() -> None:
    rows = [("anna", "ulm", "1"), ("bert", "rome", "2"), ("carl", "oslo", "3"), ("dora", "bari", "4")]
    lines = [piece("wide as two columns are", 200, 400, width=600), piece("sum", 1_000, 400)]
    lines += table_of(*rows, top=400 + 1.8 * SIZE)

    (table,) = blocks(lines, WIDTH, HEIGHT)

    assert [(cell.column, cell.columns) for cell in table.cells if cell.row == 0] == [(0, 2), (2, 1)]
    assert (table.row_count, table.column_count) == (5, 3)


@pytest.mark.parametrize("seed", SEEDS)
def test_text_over_and_under_a_table_is_not_of_it(seed: int) -> None:
    printer = Printer(seed)
    rows = table_of(*[(printer.word(), printer.word(), "12") for _ in range(5)], top=300 + 6 * STEP)
    bottom = 300 + 6 * STEP + 5 * 1.8 * SIZE
    lines = [*full(printer, 200, 300, 1_300, 5), *rows, *full(printer, 200, bottom + STEP, 1_300, 5)]

    assert kinds(lines) == [(BlockKind.PARAGRAPH, 5), (BlockKind.TABLE, 15), (BlockKind.PARAGRAPH, 5)]


@pytest.mark.parametrize("text", ["117", "- 12 -", "xiv", "Page 3 of 10", "[4]", "3/12", "p. 7"])
def test_a_number_at_the_edge_is_the_pages(text: str) -> None:
    page = [*full(Printer(0), 200, 300, 1_300, 8), piece(text, 800, 2_100)]

    assert kinds(page)[-1] == (BlockKind.PAGE_NUMBER, 1)


@pytest.mark.parametrize("text", ["1816, a year", "civil", "3 items"])
def test_other_text_at_the_edge_is_a_footer(text: str) -> None:
    page = [*full(Printer(0), 200, 300, 1_300, 8), piece(text, 800, 2_100)]

    assert kinds(page)[-1] == (BlockKind.FOOTER, 1)


def test_a_running_title_beside_a_page_number_may_stand_farther_inside() -> None:
    page = [piece("117", 200, 300), piece("THE CASTLE", 700, 300), *full(Printer(0), 200, 400, 1_300, 8)]

    assert [kind for kind, _ in kinds(page)] == [BlockKind.PAGE_NUMBER, BlockKind.HEADER, BlockKind.PARAGRAPH]
    assert [kind for kind, _ in kinds(page[1:])] == [BlockKind.HEADING, BlockKind.PARAGRAPH]


def test_a_few_lines_are_paragraphs_whatever_their_place_and_size() -> None:
    assert kinds([piece("One label", 100, 20, 80), piece("and its text", 100, 180)]) == [
        (BlockKind.HEADING, 1),
        (BlockKind.PARAGRAPH, 1),
    ]


@pytest.mark.parametrize("seed", SEEDS)
def test_each_line_is_in_one_block_wherever_it_stands(seed: int) -> None:
    printer = Printer(seed)
    pick = printer.random
    lines = [
        piece(
            printer.text(12), pick.uniform(0, 1_500), pick.uniform(0, 2_100), pick.uniform(0, 60), pick.uniform(0, 400)
        )
        for _ in range(150)
    ]

    found = [index for block in blocks(lines, WIDTH, HEIGHT) for index in block.lines]

    assert sorted(found) == list(range(150))
    for block in blocks(lines, WIDTH, HEIGHT):
        assert sorted(i for cell in block.cells for i in cell.lines) == (list(block.lines) if block.cells else [])


def test_no_lines_are_no_blocks() -> None:
    assert blocks([], WIDTH, HEIGHT) == ()


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["a word is bro-", "ken here"], "a word is broken here"),
        (["a soft bro\u00ad", "ken one"], "a soft broken one"),
        (["two lines", "of text"], "two lines of text"),
        (["the years 1914-", "1918 were"], "the years 1914-1918 were"),
        (["Stratford-", "Upon"], "Stratford-Upon"),
        (["his mother-in-", "law"], "his mother-in-law"),
        (["hand-", "and footnotes"], "hand- and footnotes"),
        (["Vor-", "und Nachname"], "Vor- und Nachname"),
        (["a thou-", "sand"], "a thousand"),
        (["Total (A)-", "(B)"], "Total (A)- (B)"),
        (["a dash -", "here"], "a dash - here"),
        (["-"], "-"),
        (["\u7b2c\u4e00", "\u884c\u3002"], "\u7b2c\u4e00\u884c\u3002"),
        (["", ""], ""),
        ([], ""),
    ],
)
def test_running_text_joins_what_the_line_end_parted(texts: list[str], expected: str) -> None:
    assert flowing(texts) == expected


def test_a_word_goes_on_where_a_hyphen_follows_a_letter() -> None:
    assert goes_on("bro-", "ken")
    assert not goes_on("bro-", "Ken")
    assert not goes_on("his mother-in-", "law")
    assert not goes_on("hand-", "and footnotes")
    assert not goes_on("a well-", "known fact")
    assert not goes_on("by e-", "mail")
    assert not goes_on("", "ken")
