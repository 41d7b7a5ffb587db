"""The words of made-up pages: nobody's, from nowhere. Every function draws from the generator it is given."""

# ruff: noqa: RUF001 -- French is printed with the typographic apostrophe

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Tongue:
    """A language, by its BCP 47 subtag, with what pages in it are made of. Sentences take ``name`` and ``place``."""

    code: str
    sentences: tuple[str, ...]
    names: tuple[str, ...]
    places: tuple[str, ...]
    headings: tuple[str, ...]


ENGLISH = Tongue(
    "en",
    (
        "The mill at {place} had stood idle since the flood, and grass grew between the stones of its yard.",
        "{name} counted the crates twice before signing for them.",
        "Nobody in the office could say when the second key had gone missing.",
        "On the 14th the ferry ran late; on the 15th it did not run at all.",
        "A ledger of 312 pages, bound in green cloth, was found behind the stove.",
        "It rained for nine days, and the lower fields were under water until March.",
        "“You may keep the map,” said {name}, “but the compass goes back to {place}.”",
        "Their accounts agree in everything but the price, which one gives as £4 10s. and the other as £5.",
        "What the surveyor took for a wall was the edge of an older road.",
        "The apprentice was paid every other Friday, less the cost of candles and thread.",
        "Of the seventeen letters, only three are dated, and those by another hand.",
        "Having no boat of their own, they waited at {place} for the tide to turn.",
        "{name} wrote in the margin: not before Easter, and not without a witness.",
        "Glass was dearer than timber that year, so the windows were made small.",
        "The committee met in the reading-room, where the stove had been lit since noon.",
        "No two of the bells were cast in the same year, yet they ring well together.",
        "Between {place} and the coast there is one inn, which closes at dusk.",
        "He was fond of saying that a quiet dog costs less than a good lock.",
        "The bridge was measured again in June: 48.5 metres from pier to pier.",
        "She kept the seeds in twelve labelled jars on the shelf above the door.",
        "An owner who cannot be found within sixty days loses the right to object.",
        "The orchard was sold by the acre, the house by the room, and the barn as it stood.",
    ),
    ("Ada Brook", "Tomas Vale", "Ines Corran", "Peter Lund", "Miriam Okafor", "Joan Teller", "Hugh Farrow", "Kit Ames"),
    ("Port Ellery", "Tamsford", "Upper Marle", "Aldham", "Crossgate", "Nether Wick", "Sallow Bay"),
    ("The Mill House", "A Quiet Season", "Notes on the Survey", "What the Ledger Shows", "The Road to the Coast"),
)

SPANISH = Tongue(
    "es",
    (
        "El molino de {place} llevaba años parado, y la señora {name} guardaba todavía la llave.",
        "¿Quién había de creer que el camino más corto pasaba por la montaña?",
        "Según el inventario, quedaban 126 libros, una lámpara y dos sillas pequeñas.",
        "La niña leyó la carta en voz baja, despacio, como quien cuenta monedas.",
        "Llovió toda la semana; el río creció hasta la puerta de la iglesia.",
        "«Mañana será otro día», decía {name} cada vez que cerraba la tienda.",
        "El común de los vecinos pidió que se arreglase el puente antes del otoño.",
        "En {place} nadie recordaba al dueño anterior, ni tampoco su apellido.",
        "¡Qué lástima que el relojero no supiera la hora de su propia boda!",
        "La administración contestó el 3 de marzo que no había fondos disponibles.",
        "Después compró jabón, azúcar y una docena de huevos por 18 reales.",
        "Así quedó escrito, con tinta azul, en la última página del cuaderno.",
    ),
    ("Lucía Peñalver", "Íñigo Rueda", "Begoña Arístegui", "Tomás Cañete", "Raúl Mondéjar"),
    ("Valdecañas", "San Andrés", "Peñaflor", "Alcorán del Río", "Fuenteseca"),
    ("La última página", "El camino viejo", "Una mañana de otoño", "Cuentas pequeñas"),
)

GERMAN = Tongue(
    "de",
    (
        "Die Mühle in {place} stand seit dem Hochwasser still, und im Hof wuchs das Gras.",
        "{name} zählte die Kisten zweimal, bevor sie den Empfang bestätigte.",
        "Für größere Mengen gewähren wir einen Nachlass von fünf Prozent.",
        "Am 14. fuhr die Fähre verspätet, am 15. überhaupt nicht.",
        "Wer den Schlüssel verlor, musste das Schloss auf eigene Kosten ändern lassen.",
        "Über den Preis sind sich beide Bücher uneinig: 48,50 € hier, 52 € dort.",
        "„Morgen früh“, sagte {name}, „wird das Gerüst in {place} abgebaut.“",
        "Die Brücke wurde im Juni neu vermessen und für zu schmal befunden.",
    ),
    ("Jörg Bäumler", "Käthe Großmann", "Sören Völker", "Grete Hübsch"),
    ("Oberweißbach", "Mühlgarten", "Süderhöft", "Grünkirchen"),
    ("Die alte Mühle", "Über den Fluss", "Frühe Jahre"),
)

FRENCH = Tongue(
    "fr",
    (
        "Le moulin de {place} était fermé depuis la crue, et l’herbe poussait dans la cour.",
        "{name} compta les caisses deux fois avant de signer le reçu.",
        "Où trouver, à cette heure, un relieur qui accepte d’être payé plus tard ?",
        "La forêt commence derrière l’église ; le chemin s’arrête à la rivière.",
        "Le 3 août, la façade fut repeinte en jaune, ce qui déplut à tout le quartier.",
        "Il gardait ses graines dans douze bocaux étiquetés, rangés près de la fenêtre.",
        "Ça n’a guère changé : même hôtel, même gérant, mêmes rideaux à fleurs.",
    ),
    ("Hélène Duprès", "François Lebœuf", "Zoé Château", "Benoît Garçon"),
    ("Saint-Évroul", "Vézins", "La Forêt-Noël", "Pont-l’Abbé"),
    ("La dernière crue", "Près de la rivière", "Un été à Vézins"),
)

TONGUES = (ENGLISH, ENGLISH, ENGLISH, SPANISH, GERMAN, FRENCH)
"""English as often as the others together."""

HINDI = Tongue(
    "hi",
    (
        "{place} की पुरानी चक्की बाढ़ के बाद से बंद पड़ी है।",
        "{name} ने हस्ताक्षर करने से पहले बक्सों को दो बार गिना।",
        "दूसरी चाबी कब खो गई, यह किसी को याद नहीं रहा।",
        "नौ दिन तक वर्षा हुई और नीचे के खेत पानी में डूब गए।",
        "रजिस्टर में कुल ३१२ पन्ने हैं और उसकी जिल्द हरे कपड़े की है।",
        "पुल की लंबाई जून में फिर से नापी गई।",
        "समिति की बैठक दोपहर बाद पुस्तकालय में हुई।",
        "सत्रह पत्रों में से केवल तीन पर तारीख लिखी है।",
        "बाज़ार से लौटते समय उसने चीनी, चाय और साबुन खरीदा।",
        "रास्ते में एक ही सराय है जो शाम होते ही बंद हो जाती है।",
    ),
    ("सरिता वर्मा", "मोहन जोशी", "अनीता राव", "दीपक मिश्रा"),
    ("रामनगर", "सीतापुर", "नई बस्ती", "किशनगढ़"),
    ("पुरानी चक्की", "नदी के पार", "एक लंबी यात्रा"),
)

FIRMS = (
    "Harbour Lane Printers",
    "Willow & Stone Ltd",
    "Northgate Archive Co.",
    "Mill Road Bindery",
    "Fenwick Supplies",
    "Café Überfahrt",
    "Tannery Yard Stores",
    "Blackthorn & Daughters",
)
STREETS = ("12 Quay Street", "48 Orchard Row", "7 Bell Court", "301 Ridge Way", "Flat 5, 9 Weir Lane", "16B Mint Walk")
GOODS = (
    "Archive boxes A4",
    "Rag paper, 500 sheets",
    "Linen thread 18/3",
    "Label sheets, white",
    "Cotton gloves (pair)",
    "Scanner glass",
    "Wax seals, red",
    "Bone folder 15 cm",
    "Book cloth, per metre",
    "Ink No. 7, black",
    "Delivery and handling",
    "Repair of spine",
)
GROCERIES = (
    "WHOLE MILK 1L",
    "RYE BREAD 750G",
    "EGGS L X12",
    "BANANAS 1.240 KG",
    "OLIVE OIL 0.5L",
    "CHEDDAR 200G",
    "TOMATOES 500G",
    "FILTER COFFEE",
    "DISH SOAP",
    "BATTERIES AA 4",
    "BUTTER 250G",
    "SPAGHETTI NO.5",
    "APPLE JUICE 1L",
    "PAPER TOWELS",
    "DARK CHOC 70%",
)
MONTHS = ("January", "March", "April", "June", "September", "November", "December")


def money(cents: int, mark: str = "") -> str:
    """``1,234.50``, with a currency's mark before it."""
    return f"{mark}{cents // 100:,}.{cents % 100:02d}"


def date(draw: Random) -> str:
    day, year = draw.randint(1, 28), draw.randint(2016, 2029)
    forms = (
        f"{day} {draw.choice(MONTHS)} {year}",
        f"{day:02d}/{draw.randint(1, 12):02d}/{year}",
        f"{year}-{draw.randint(1, 12):02d}-{day:02d}",
        f"{draw.choice(MONTHS)} {day}, {year}",
    )
    return draw.choice(forms)


def code(draw: Random, pattern: str) -> str:
    """``#`` becomes a digit, ``@`` a capital; I, O and Q are left out, which no typeface tells from 1 and 0 alone."""
    replaced = {"#": "0123456789", "@": "ABCDEFGHJKLMNPRSTUVWXYZ"}
    return "".join(draw.choice(replaced[mark]) if mark in replaced else mark for mark in pattern)


def sentence(draw: Random, tongue: Tongue) -> str:
    return draw.choice(tongue.sentences).format(name=draw.choice(tongue.names), place=draw.choice(tongue.places))


def paragraph(draw: Random, tongue: Tongue, sentences: int) -> str:
    """No sentence twice in a row."""
    templates: list[str] = []
    while len(templates) < sentences:
        chosen = draw.choice(tongue.sentences)
        if not templates or templates[-1] != chosen:
            templates.append(chosen)
    return " ".join(text.format(name=draw.choice(tongue.names), place=draw.choice(tongue.places)) for text in templates)


def address(draw: Random, tongue: Tongue = ENGLISH) -> Sequence[str]:
    return draw.choice(STREETS), f"{code(draw, '@@# #@@')} {draw.choice(tongue.places)}"


def email(draw: Random) -> str:
    name = draw.choice(ENGLISH.names).lower().replace(" ", ".")
    return f"{name}@{draw.choice(('example.org', 'example.com', 'post.example.net'))}"
