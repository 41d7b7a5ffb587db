from __future__ import annotations

import math
import time
from collections.abc import Sequence

import pytest

from handlers.document.engine import Line, Quad
from handlers.document.layout import ordered
from tests.support.printed import HEIGHT, PITCH, SIZE, WIDTH, Printer, piece, texts, with_words

SEEDS = range(4)
STEP = SIZE * PITCH


def read(pieces: Sequence[Line], seed: int = 0) -> list[str]:
    return texts(ordered(Printer(seed).shuffled(pieces), WIDTH, HEIGHT))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("gutter", [0.6, 1.0, 2.0, 4.0])
@pytest.mark.parametrize("count", [2, 3, 4])
def test_columns_are_read_one_after_the_other(seed: int, gutter: float, count: int) -> None:
    printer = Printer(seed)
    width = (1_400 - (count - 1) * gutter * SIZE) / count
    pieces = [
        line
        for column in range(count)
        for line in printer.paragraphs(150 + column * (width + gutter * SIZE), 200, width, 40)
    ]

    assert read(pieces, seed) == texts(pieces)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("offset", [0.0, 0.3, 0.7])
def test_columns_need_no_common_grid_and_may_end_at_different_heights(seed: int, offset: float) -> None:
    printer = Printer(seed)
    left = printer.paragraphs(150, 200, 660, 50, ragged=True)
    right = printer.paragraphs(860, 200 + offset * STEP, 660, 23, ragged=True)

    assert read([*left, *right], seed) == texts([*left, *right])


@pytest.mark.parametrize("seed", SEEDS)
def test_a_page_number_a_title_a_heading_and_a_footnote_over_all_columns_stand_between_them(seed: int) -> None:
    printer = Printer(seed)
    page = [
        piece("A JOURNAL OF THINGS", 150, 90),
        piece("117", 1_500, 92),
        piece(printer.text(40), 350, 220, 48),
        *printer.paragraphs(150, 320, 680, 18),
        *printer.paragraphs(870, 320, 680, 18),
        piece(printer.text(50), 400, 320 + 20 * STEP, 34),
        *printer.paragraphs(150, 320 + 23 * STEP, 680, 15),
        *printer.paragraphs(870, 320 + 23 * STEP, 680, 12),
        *printer.paragraphs(150, 320 + 41 * STEP, 1_400, 4, size=20),
        piece("page 3", 800, 2_120),
    ]

    assert read(page, seed) == texts(page)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_stray_piece_in_the_gutter_keeps_the_columns_apart(seed: int) -> None:
    printer = Printer(seed)
    columns = [*printer.paragraphs(150, 200, 640, 30), *printer.paragraphs(900, 200, 640, 30)]

    for stray in (piece(".", 838, 500, 10, 8), piece("o", 840, 507, SIZE, 24)):
        found = read([*columns, stray], seed)
        found.remove(stray.text)
        assert [word for line in found for word in line.split() if word != stray.text] == [
            word for line in columns for word in line.text.split()
        ]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_note_in_the_margin_is_not_read_into_the_text_beside_it(seed: int) -> None:
    printer = Printer(seed)
    body = printer.paragraphs(150, 200, 1_000, 40)
    note = printer.paragraphs(1_220, 200 + 7.4 * STEP, 250, 5, size=17)

    found = read([*body, *note], seed)

    assert [text for text in found if text in texts(body)] == texts(body)
    assert found[-5:] == texts(note)


@pytest.mark.parametrize("seed", SEEDS)
def test_two_articles_of_two_columns_each_stand_side_by_side_under_their_own_headlines(seed: int) -> None:
    printer = Printer(seed)
    lefts = [100 + 360 * column for column in range(4)]
    page = [piece("THE NEWS OF THE WORLD TODAY", 300, 80, 70)]
    for first, lines, second in ((0, 22, 25), (2, 35, 12)):
        x = lefts[first]
        page += [piece(printer.text(30), x + 10, 200, 40, 640)]
        page += [line for left in lefts[first : first + 2] for line in printer.paragraphs(left, 270, 330, lines)]
        page += [piece(printer.text(20), x + 5, 270 + (lines + 1) * STEP, 38, 560)]
        page += [
            line
            for left in lefts[first : first + 2]
            for line in printer.paragraphs(left, 270 + (lines + 3) * STEP, 330, second)
        ]

    assert read(page, seed) == texts(page)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_short_entries_of_an_index_are_read_column_by_column(seed: int) -> None:
    printer = Printer(seed)
    page = [
        piece(f"{printer.word()}, {printer.word()}, {printer.random.randint(1, 300)}", 120 + c * 500, 200 + n * STEP)
        for c in range(3)
        for n in range(45)
    ]

    assert read(page, seed) == texts(page)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_term_stands_before_the_lines_that_explain_it(seed: int) -> None:
    printer = Printer(seed)
    page, y = [], 200.0
    for _ in range(9):
        count = printer.random.randint(1, 4)
        page.append(piece(printer.text(10), 120, y))
        page += [piece(printer.text(60), 420, y + n * STEP, width=900 if n < count - 1 else 400) for n in range(count)]
        y += (count + 0.7) * STEP

    assert read(page, seed) == texts(page)


@pytest.mark.parametrize("seed", SEEDS)
def test_two_pages_side_by_side_are_read_one_after_the_other_with_their_numbers(seed: int) -> None:
    printer = Printer(seed)
    left = [piece("104", 120, 80), piece("A TITLE", 500, 80), *printer.paragraphs(120, 160, 900, 50)]
    right = [piece("THE OTHER", 1_500, 80), piece("105", 2_100, 80), *printer.paragraphs(1_300, 160, 900, 50)]

    assert texts(ordered(printer.shuffled([*left, *right]), 2_400, 1_800)) == texts([*left, *right])


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("rows", [(7, 20, 21), (0, 39), tuple(range(0, 40, 3))])
def test_lines_of_two_columns_that_were_found_as_one_are_parted(seed: int, rows: tuple[int, ...]) -> None:
    printer = Printer(seed)
    left = [with_words(line) for line in printer.paragraphs(120, 160, 700, 40)]
    right = [with_words(line) for line in printer.paragraphs(850, 160, 700, 40)]
    pieces = [line for n in range(40) for line in ([both(left[n], right[n])] if n in rows else [left[n], right[n]])]

    found = ordered(printer.shuffled(pieces), WIDTH, HEIGHT)

    assert texts(found) == texts([*left, *right])
    assert [line.words for line in found] == [line.words for line in (*left, *right)]
    for line, expected in zip(found, (*left, *right), strict=True):
        assert line.polygon[0] == pytest.approx(expected.polygon[0], abs=2)
        assert line.polygon[2] == pytest.approx(expected.polygon[2], abs=2)


def both(left: Line, right: Line) -> Line:
    polygon = (left.polygon[0], right.polygon[1], right.polygon[2], left.polygon[3])
    words = (*(left.words or ()), *(right.words or ()))
    return Line(f"{left.text} {right.text}", 0.9, polygon, words)


@pytest.mark.parametrize("seed", SEEDS)
def test_wide_spaces_of_a_justified_page_part_no_line(seed: int) -> None:
    """Every line has a gap of two letters' height somewhere."""
    printer = Printer(seed)
    page = []
    for n in range(40):
        left = with_words(piece(printer.text(30), 150, 200 + n * STEP))
        right = with_words(piece(printer.text(20), left.polygon[1][0] + 2 * SIZE, 200 + n * STEP))
        page.append(both(left, right))

    assert read(page, seed) == texts(page)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_page_of_one_column_is_read_from_the_top_down(seed: int) -> None:
    printer = Printer(seed)
    page = [
        piece("CHAPTER II", 700, 150, 40),
        *printer.paragraphs(200, 260, 1_300, 20, ragged=True),
        *[piece(printer.text(25), 420, 260 + (22 + line) * STEP) for line in range(12)],
        *printer.paragraphs(200, 260 + 36 * STEP, 1_300, 10),
    ]

    assert read(page, seed) == texts(page)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("pitch", [1.15, 1.4, 2.2])
def test_a_receipt_is_read_row_by_row(seed: int, pitch: float) -> None:
    printer = Printer(seed)
    rows = [
        (piece(printer.text(22), 100, 300 + n * SIZE * pitch), piece(f"{n}.{n:02d} EUR", 700, 302 + n * SIZE * pitch))
        for n in range(1, 30)
    ]
    head = [piece("The Corner Shop", 300, 100, 40), piece("12 High Street", 310, 170)]

    assert read([*head, *(cell for row in rows for cell in row)], seed) == texts(
        [*head, *(cell for row in rows for cell in row)]
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_a_table_is_read_row_by_row_and_the_text_around_it_in_its_place(seed: int) -> None:
    printer = Printer(seed)
    top = 200 + 14 * STEP
    table = [
        piece(text, left, top + row * SIZE * 1.7 + printer.random.uniform(-2, 2))
        for row in range(12)
        for left, text in (
            (200, printer.text(14)),
            (620, printer.text(10)),
            (950, f"{row * 37}"),
            (1_250, f"{row * 12.5:.2f}"),
        )
    ]
    page = [
        *printer.paragraphs(200, 200, 1_300, 12),
        *table,
        *printer.paragraphs(200, top + 12 * SIZE * 1.7 + STEP, 1_300, 12),
    ]

    assert read(page, seed) == texts(page)


@pytest.mark.parametrize("seed", SEEDS)
def test_long_columns_of_words_with_a_number_in_each_row_are_a_table(seed: int) -> None:
    printer = Printer(seed)
    table = [
        piece(text, left, 300 + row * SIZE * 1.5)
        for row in range(25)
        for left, text in ((120, printer.text(12)), (500, printer.text(12)), (900, printer.text(9)), (1_300, f"{row}"))
    ]

    assert read(table, seed) == texts(table)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_label_stands_with_its_value(seed: int) -> None:
    printer = Printer(seed)
    form = [
        piece(text, left, 200 + row * SIZE * 2.5)
        for row in range(10)
        for left, text in (
            (150, f"{printer.word().title()}:"),
            (420, printer.text(18)),
            (900, f"{printer.word().title()}:"),
            (1_200, printer.text(16)),
        )
    ]

    assert read(form, seed) == texts(form)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_table_inside_of_a_column_stays_in_its_column(seed: int) -> None:
    printer = Printer(seed)
    left = [
        *printer.paragraphs(150, 200, 660, 12),
        *[
            piece(text, x, 200 + (13 + row) * STEP)
            for row in range(6)
            for x, text in ((170, printer.text(10)), (640, f"{row * 11}.50"))
        ],
        *printer.paragraphs(150, 200 + 20 * STEP, 660, 10),
    ]
    right = printer.paragraphs(870, 200 + 0.4 * STEP, 660, 30)

    assert read([*left, *right], seed) == texts([*left, *right])


@pytest.mark.parametrize("degrees", [-1.5, -0.5, 0.5, 1.5])
def test_columns_of_a_page_that_is_askew_are_told_apart(degrees: float) -> None:
    printer = Printer(3)
    pieces = [
        *[piece(printer.text(60), 300, 150, 44)],
        *printer.paragraphs(150, 260, 680, 40),
        *printer.paragraphs(870, 260, 680, 40),
    ]

    assert read([turned(line, degrees) for line in pieces]) == texts(pieces)


def turned(line: Line, degrees: float) -> Line:
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    a, b, c, d = ((x * cos - y * sin, x * sin + y * cos) for x, y in line.polygon)
    polygon: Quad = (a, b, c, d)
    return Line(line.text, line.confidence, polygon)


def test_lines_that_run_downwards_follow_each_other_from_the_right() -> None:
    columns = [Line(f"column {n}", 1.0, down(1_500 - 60 * n)) for n in range(12)]

    assert read(columns) == [f"column {n}" for n in range(12)]


def down(left: float) -> Quad:
    return ((left, 100), (left + 30, 100), (left + 30, 1_900), (left, 1_900))


def test_a_label_up_the_margin_is_read_last() -> None:
    printer = Printer(1)
    body = printer.paragraphs(200, 200, 1_300, 30)

    assert read([Line("arXiv 1234", 1.0, down(80)), *body]) == [*texts(body), "arXiv 1234"]


def test_the_unit_of_length_does_not_matter() -> None:
    printer = Printer(5)
    pieces = [*printer.paragraphs(150, 200, 680, 40), *printer.paragraphs(870, 200, 680, 30)]
    inches = [
        Line(line.text, line.confidence, tuple((x / 200, y / 200) for x, y in line.polygon))  # type: ignore[arg-type]
        for line in pieces
    ]

    assert texts(ordered(inches, WIDTH / 200, HEIGHT / 200)) == texts(pieces)


@pytest.mark.parametrize("kind", ["one row", "grid", "stairs"])
def test_five_thousand_pieces_are_ordered_in_seconds(kind: str) -> None:
    places = {
        "one row": [(30.0 * n, 5.0) for n in range(5_000)],
        "grid": [(100.0 * (n % 50), 40.0 * (n // 50)) for n in range(5_000)],
        "stairs": [(7.0 * n, 11.0 * n) for n in range(5_000)],
    }[kind]
    pieces = [piece(f"text {n}", x, y, 20, 25) for n, (x, y) in enumerate(places)]
    started = time.process_time()

    lines = ordered(pieces, 10_000, 10_000)

    assert time.process_time() - started < 30
    assert sorted(word for line in lines for word in line.text.split() if word != "text") == sorted(
        str(n) for n in range(5_000)
    )


def test_an_address_between_goods_and_prices_but_above_them_is_no_column() -> None:
    places = [
        ("Northgate Archive Co.", 183, 458, 48),
        ("301 Ridge Way", 247, 392, 84),
        ("GX7 1NV Aldham", 235, 404, 117),
        ("Tel. 06152 475313", 228, 410, 151),
        ("No. 037920", 39, 152, 202),
        ("9 June 2018 13:40", 421, 600, 203),
        ("SPAGHETTI NO. 5", 39, 209, 246),
        ("8.29", 558, 601, 246),
        ("CHEDDAR 200G", 39, 203, 280),
        ("10.75", 547, 599, 280),
        ("APPLE JUICE 1L", 38, 198, 312),
        ("15.96", 547, 600, 313),
        ("RYE BREAD 750G", 40, 215, 344),
        ("4.52", 558, 600, 344),
        ("3 x 2.65", 116, 189, 374),
        ("BANANAS 1.240 KG", 39, 238, 408),
        ("13.29", 548, 600, 408),
    ]
    receipt = [piece(text, left, top, 25, right - left) for text, left, right, top in places]

    assert texts(ordered(receipt, 639, 1_149)) == texts(receipt)


@pytest.mark.parametrize("seed", SEEDS)
def test_names_streets_and_towns_in_rows_are_a_table_though_they_are_many_and_close(seed: int) -> None:
    printer = Printer(seed)
    page = [
        piece(text, left, 150 + row * SIZE * 1.35)
        for row in range(30)
        for left, text in (
            (130, printer.text(12).title()),
            (540, f"{row + 3} {printer.text(18).title()}"),
            (930, printer.text(10).title()),
        )
    ]

    assert read(page, seed) == texts(page)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("count", [4, 6])
def test_a_table_of_single_words_with_empty_cells_is_read_row_by_row(seed: int, count: int) -> None:
    printer = Printer(seed)
    top = 200 + 8 * STEP
    cells = [
        piece(printer.word(), 150 + column * 1_400 / count, top + row * SIZE * 1.4)
        for row in range(14)
        for column in range(count)
        if column == 0 or printer.random.random() < 0.8
    ]
    page = [*printer.paragraphs(150, 200, 1_400, 7), *cells]

    assert read(page, seed) == texts(page)


def test_an_address_over_goods_parts_them_not_from_prices_over_sums() -> None:
    goods = ("Bone folder", "Rag paper, 500 sheets", "Wax seals, red", "Ink No. 7, black")
    rows: list[tuple[tuple[float, str], ...]] = [
        ((150, "ada.brook@example.com"), (1_120, "Customer"), (1_440, "K40929")),
        (),
        ((150, "Bill to:"),),
        ((150, "Peter Lund"),),
        ((150, "12 Quay Street"),),
        ((150, "EF1 0GB Crossgate"),),
        (),
        ((155, "Description"), (960, "Qty"), (1_110, "Unit price"), (1_420, "Amount")),
        *(((155, name), (970, "48"), (1_150, "147.30"), (1_420, "7,070.40")) for name in goods),
        ((1_130, "Subtotal"), (1_390, "16,845.00")),
        ((1_120, "VAT 19 %"), (1_400, "3,200.55")),
        ((1_160, "Total"), (1_380, "20,045.55")),
    ]
    invoice = [piece(text, left, 300 + 45 * n) for n, row in enumerate(rows) for left, text in row]

    assert read(invoice) == texts(invoice)


@pytest.mark.parametrize("seed", SEEDS)
def test_blocks_at_the_foot_of_a_page_are_read_one_after_the_other(seed: int) -> None:
    printer = Printer(seed)
    foot = [
        piece("Attributed to: a library of books", 150, 2_070),
        piece("This work is in the public domain.", 150, 2_100),
        piece("library.example", 1_400, 2_070),
        piece("Page 10 of 87", 1_400, 2_100),
    ]
    page = [*printer.paragraphs(150, 200, 1_400, 50), *foot]

    assert read(page, seed) == texts(page)


@pytest.mark.parametrize("left", [("Telephone:", "Telefax:"), ("Subtotal", "Total due")])
def test_labels_at_the_foot_of_a_page_stand_with_their_values(left: tuple[str, str]) -> None:
    foot = [
        piece(left[0], 150, 2_070),
        piece("0111 222 333", 1_400, 2_070),
        piece(left[1], 150, 2_100),
        piece("0111 222 334", 1_400, 2_100),
    ]
    page = [*Printer(0).paragraphs(150, 200, 1_400, 50), *foot]

    assert read(page) == texts(page)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("rise", [-0.6, 0.6])
def test_a_number_at_the_far_end_of_a_bent_row_stands_with_its_title(seed: int, rise: float) -> None:
    printer = Printer(seed)
    page = [
        entry
        for row in range(12)
        for entry in (
            piece(printer.text(20), 150, 200 + 2 * row * SIZE),
            piece(str(7 * row + 3), 1_400, 200 + (2 * row + rise * row / 12) * SIZE),
        )
    ]

    assert read(page, seed) == texts(page)
