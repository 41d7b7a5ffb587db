"""Pages of business: forms, receipts, invoices with tables, identity cards."""

from __future__ import annotations

from random import Random

from benchmarks.document_pages import wording
from benchmarks.document_pages.fonts import Family, Fonts, Typeface
from benchmarks.document_pages.prose import A4, LETTER
from benchmarks.document_pages.sheet import Colour, Mark, Run, Sheet, wrapped

GREY: Colour = (90, 90, 90)
MILLIMETRE = 72 / 25.4


def form(draw: Random, fonts: Fonts) -> Sheet:
    """Fields in one or two columns, each with a label and what was filled in, and boxes that may be ticked."""
    label, filled = draw.choice(fonts.of(Family.SANS)), draw.choice(fonts.of(Family.MONO, Family.SANS))
    sheet = Sheet(*draw.choice((A4, LETTER)))
    margin = draw.uniform(45, 60)
    width = sheet.width - 2 * margin
    y = margin + 18
    sheet.add(Run(draw.choice(_FORM_TITLES), margin, y, draw.uniform(15, 19), label.bold))
    y += 16
    sheet.add(Run("Please complete in block capitals. Fields marked * are required.", margin, y, 8.5, label.regular))
    y += 14
    size, columns, boxed = draw.uniform(9.5, 12), draw.choice((1, 2, 2)), draw.random() < 0.6
    cell, height = width / columns, draw.uniform(34, 42)
    fields = draw.sample(_FIELDS, draw.randint(8, 12))
    for start in range(0, len(fields), columns):
        row = fields[start : start + columns]
        lefts = [margin + cell * column for column in range(len(row))]
        sheet.add(
            *(Run(name, x + 4, y + 11, 7.5, label.regular, ink=GREY) for x, (name, _) in zip(lefts, row, strict=True))
        )
        values = [_value(draw, pattern) for _, pattern in row]
        sheet.add(
            *(Run(text, x + 6, y + height - 9, size, filled.regular) for x, text in zip(lefts, values, strict=True))
        )
        for x in lefts:
            if boxed:
                sheet.marks.append(Mark(x, y, cell - 6, height - 2, outline=GREY))
            else:
                sheet.rule(x + 4, y + height - 5, cell - 14)
        y += height
    y += 20
    for text in draw.sample(_STATEMENTS, 3):
        sheet.marks.append(Mark(margin + 4, y - 8, 9, 9, outline=(40, 40, 40), fill=draw.choice((None, (40, 40, 40)))))
        for line in wrapped(text, label.regular, 9, width - 30):
            sheet.add(Run(line, margin + 22, y, 9, label.regular))
            y += 13
        y += 6
    y += 26
    sheet.rule(margin, y - 12, 170)
    sheet.rule(margin + 230, y - 12, 120)
    sheet.add(Run("Signature", margin, y, 8, label.regular), Run("Date", margin + 230, y, 8, label.regular))
    return sheet


def receipt(draw: Random, fonts: Fonts) -> Sheet:
    """A till's strip, 58 or 80 mm wide, as long as what is on it."""
    face = draw.choice(fonts.of(Family.MONO, Family.SANS))
    width = draw.choice((58.0, 80.0)) * MILLIMETRE
    sheet = Sheet(width, 1000.0, paper=(draw.randint(243, 255),) * 3)
    margin, size = width * 0.06, width / draw.uniform(26, 31)
    right, middle, leading = width - margin, width / 2, size * 1.45
    y = margin + size * 1.6
    sheet.add(Run(draw.choice(wording.FIRMS), middle, y, size * 1.25, face.bold, "middle"))
    for text in (*wording.address(draw), f"Tel. {wording.code(draw, '0#### ######')}"):
        y += leading
        sheet.add(Run(text, middle, y, size, face.regular, "middle"))
    y += leading * 1.6
    sheet.add(
        Run(f"No. {wording.code(draw, '######')}", margin, y, size, face.regular),
        Run(
            f"{wording.date(draw)} {draw.randint(8, 21):02d}:{draw.randint(0, 59):02d}",
            right,
            y,
            size,
            face.regular,
            "right",
        ),
    )
    y = _bought(draw, sheet, face, size, y + leading * 1.4)
    sheet.add(Run(draw.choice(_THANKS), middle, y + leading, size, face.regular, "middle"))
    y += leading * 2.2
    for bar in range(0, int(width * 0.6), 3):
        if draw.random() < 0.6:
            sheet.marks.append(Mark(width * 0.2 + bar, y, draw.choice((1.0, 1.8)), 26, fill=(0, 0, 0)))
    sheet.add(Run(wording.code(draw, "# ###### ######"), middle, y + 26 + leading, size * 0.9, face.regular, "middle"))
    sheet.height = y + 26 + leading * 2
    return sheet


def _bought(draw: Random, sheet: Sheet, face: Typeface, size: float, y: float) -> float:
    """The goods with their prices, the sum and how it was paid; the base line behind them."""
    left, right, leading = sheet.width * 0.06, sheet.width * 0.94, size * 1.45
    total = 0
    for goods in draw.sample(wording.GROCERIES, draw.randint(4, 12)):
        cents = draw.randint(49, 2_499)
        total += cents
        sheet.add(
            Run(goods, left, y, size, face.regular), Run(wording.money(cents), right, y, size, face.regular, "right")
        )
        y += leading
        if draw.random() < 0.25:
            sheet.add(
                Run(f"{draw.randint(2, 6)} x {wording.money(draw.randint(20, 400))}", left * 3, y, size, face.regular)
            )
            y += leading
    sheet.rule(left, y - size * 0.5, right - left)
    y += leading * 0.6
    rows = [
        ("TOTAL", wording.money(total, "EUR "), 1.3),
        (draw.choice(("VISA DEBIT", "CASH", "CARD")), wording.money(total), 1.0),
    ]
    rows.append(("VAT 20%", wording.money(total // 6), 1.0))
    for name, value, scale in rows:
        strong = face.bold if scale > 1 else face.regular
        sheet.add(Run(name, left, y, size * scale, strong), Run(value, right, y, size * scale, strong, "right"))
        y += leading * scale
    return y


def invoice(draw: Random, fonts: Fonts) -> Sheet:
    """Sender, receiver, a table of goods with or without rules, sums, terms of payment."""
    face = draw.choice(fonts.of(Family.SANS, Family.SERIF))
    sheet = Sheet(*draw.choice((A4, LETTER)))
    margin, size = draw.uniform(45, 62), draw.uniform(9, 11)
    right, leading = sheet.width - margin, size * 1.4
    y = margin + 20
    sheet.add(
        Run(draw.choice(wording.FIRMS), margin, y, 17, face.bold), Run("INVOICE", right, y, 17, face.bold, "right")
    )
    y += leading * 1.6
    facts = (
        ("Invoice no.", wording.code(draw, "@@-######")),
        ("Date", wording.date(draw)),
        ("Customer", wording.code(draw, "K#####")),
    )
    for own, (name, value) in zip((*wording.address(draw), wording.email(draw)), facts, strict=True):
        sheet.add(
            Run(own, margin, y, size, face.regular),
            Run(name, right - 150, y, size, face.bold),
            Run(value, right, y, size, face.regular, "right"),
        )
        y += leading
    y += leading
    sheet.add(Run("Bill to:", margin, y, size, face.bold))
    for text in (draw.choice(wording.ENGLISH.names), *wording.address(draw)):
        y += leading
        sheet.add(Run(text, margin, y, size, face.regular))
    y = _table(draw, sheet, face, size, (margin, right, y + leading * 2))
    for line in wrapped(draw.choice(_TERMS), face.regular, size, right - margin):
        y += leading
        sheet.add(Run(line, margin, y, size, face.regular))
    sheet.add(
        Run(f"IBAN {wording.code(draw, 'DE## #### #### #### #### ##')}", margin, y + leading * 1.5, size, face.regular)
    )
    return sheet


def _table(draw: Random, sheet: Sheet, face: Typeface, size: float, place: tuple[float, float, float]) -> float:
    """``place`` is left, right and top. The base line behind the table."""
    left, right, y = place
    height, ruled, striped = size * draw.uniform(1.7, 2.3), draw.random() < 0.5, draw.random() < 0.4
    edges = (left + 4, right - 190, right - 110, right - 4)
    anchors = ("left", "right", "right", "right")
    top = y
    sheet.marks.append(Mark(left, y, right - left, height, fill=draw.choice(((225, 225, 225), (205, 218, 235)))))
    goods = draw.sample(wording.GOODS, draw.randint(4, 9))
    rows: list[tuple[str, ...]] = [("Description", "Qty", "Unit price", "Amount")]
    total = 0
    for name in goods:
        quantity, cents = draw.randint(1, 48), draw.randint(120, 18_900)
        total += quantity * cents
        rows.append((name, str(quantity), wording.money(cents), wording.money(quantity * cents)))
    for number, row in enumerate(rows):
        if striped and number and number % 2 == 0:
            sheet.marks.append(Mark(left, y, right - left, height, fill=(242, 242, 242)))
        strong = face.regular if number else face.bold
        cells = zip(row, edges, anchors, strict=True)
        sheet.add(*(Run(text, x, y + height * 0.68, size, strong, anchor) for text, x, anchor in cells))  # type: ignore[arg-type]
        if ruled:
            sheet.rule(left, y, right - left, 0.5)
        y += height
    if ruled:
        for x in (left, right - 230, right - 180, right - 95, right):
            sheet.marks.append(Mark(x, top, 0.5, y - top, fill=GREY))
    sheet.rule(left, y, right - left)
    vat = total * 19 // 100
    for name, cents in (("Subtotal", total), ("VAT 19 %", vat), ("Total", total + vat)):
        y += height * 0.85
        strong = face.bold if name == "Total" else face.regular
        sheet.add(
            Run(name, right - 110, y, size, strong, "right"),
            Run(wording.money(cents, "€"), right - 4, y, size, strong, "right"),
        )
    return y + height


def identity_card(draw: Random, fonts: Fonts) -> Sheet:
    """A card of 85.6 x 54 mm (ISO/IEC 7810 ID-1) with a portrait's place, on a printed ground; nobody's."""
    face = draw.choice(fonts.of(Family.SANS))
    width, height = 85.6 * MILLIMETRE, 54 * MILLIMETRE
    tint = draw.choice(((214, 228, 240), (230, 238, 220), (240, 228, 222)))
    sheet = Sheet(width, height, paper=tint)
    for line in range(0, int(height), 6):
        sheet.marks.append(Mark(0, line, width, 0.4, fill=tuple(value - 18 for value in tint)))  # type: ignore[arg-type]
    sheet.marks.append(Mark(10, 36, 58, 76, fill=(150, 150, 158), outline=GREY))
    sheet.marks.append(Mark(28, 50, 22, 26, fill=(198, 190, 184)))
    sheet.add(Run(draw.choice(("IDENTITY CARD", "RESIDENT CARD", "DRIVING LICENCE")), 10, 20, 11, face.bold))
    tongue = draw.choice(wording.TONGUES)
    given, _, family = draw.choice(tongue.names).partition(" ")
    rows = (
        ("Surname", family.upper()),
        ("Given names", given),
        ("Date of birth", f"{draw.randint(1, 28):02d}.{draw.randint(1, 12):02d}.{draw.randint(1950, 2005)}"),
        ("Place of birth", draw.choice(tongue.places)),
        ("Document no.", wording.code(draw, "@##@@####")),
        ("Expires", f"{draw.randint(1, 28):02d}.{draw.randint(1, 12):02d}.{draw.randint(2026, 2036)}"),
    )
    y = 38.0
    for name, value in rows:
        sheet.add(Run(name, 78, y, 5.2, face.regular, ink=GREY))
        sheet.add(Run(value, 78, y + 10, 9, face.bold))
        y += 18.5
    return sheet


def _value(draw: Random, pattern: str) -> str:
    match pattern:
        case "name":
            return draw.choice(draw.choice(wording.TONGUES).names)
        case "date":
            return wording.date(draw)
        case "street":
            return draw.choice(wording.STREETS)
        case "place":
            return draw.choice(draw.choice(wording.TONGUES).places)
        case "email":
            return wording.email(draw)
        case _:
            return wording.code(draw, pattern)


_FORM_TITLES = ("Application for a Reader's Ticket", "Change of Address", "Claim Form 27-B", "Registration of a Vessel")
_FIELDS = (
    ("Full name *", "name"),
    ("Date of birth *", "date"),
    ("Street and number *", "street"),
    ("Town *", "place"),
    ("Postcode *", "@@# #@@"),
    ("Telephone", "+44 #### ######"),
    ("E-mail", "email"),
    ("Policy number *", "@@-#######-#"),
    ("Tax reference", "### / ### / #####"),
    ("Name of witness", "name"),
    ("Date of event", "date"),
    ("Place of event", "place"),
    ("Account number", "#### #### ####"),
    ("Vehicle", "@@## @@@"),
)
_STATEMENTS = (
    "I confirm that the information given above is complete and correct.",
    "I agree that my application may be checked against the register of the town.",
    "I would like to receive the yearly report by post.",
    "I have enclosed a copy of a document that shows my address, not older than three months.",
    "I have not applied for a ticket at another branch in the last twelve months.",
)
_THANKS = ("THANK YOU FOR YOUR VISIT", "Thank you, come again!", "Please keep this receipt", "Returns within 14 days")
_TERMS = (
    "Payment is due within thirty days of the date of this invoice. Please quote the invoice number.",
    "Please transfer the amount without deduction by the end of the month. Goods remain ours until paid.",
    "Two percent discount if paid within ten days, net after that.",
)
