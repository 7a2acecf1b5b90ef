"""Numbers with their units, as a claim states them and as a passage holds them.

12 s, twelve seconds and 0.2 min are the same; 16.14 and 16.4, or 20 MB and 20 GB, are not.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from documents.index.sparse import primary

# Canonical names and what one of them is in its base: seconds, bytes, metres, grams, one.
UNITS: dict[str, tuple[str, str]] = {}
SPELLINGS = """
time 0.000001 us µs μs microsecond microseconds | time 0.001 ms msec millisecond milliseconds
millisekunde millisekunden milisegundo milisegundos milliseconde millisecondes | time 1 s sec secs
second seconds sekunde sekunden segundo segundos seconde secondes | time 60 min mins minute
minutes minuten minuto minutos | time 3600 h hr hrs hour hours stunde stunden hora horas heure
heures | time 86400 d day days tag tage tagen día días dia dias jour jours | time 604800 week
weeks woche wochen semana semanas semaine semaines | month 1 month months monat monate monaten mes
meses mois | month 12 year years yr yrs jahr jahre jahren año años ans année années | data 1
byte bytes octets | data 1000 kb kilobyte kilobytes | data 1000000 mb megabyte megabytes | data
1000000000 gb gigabyte gigabytes | data 1000000000000 tb terabyte terabytes | data 1024 kib | data
1048576 mib | data 1073741824 gib | bit 1 bit bits | ratio 0.01 % percent pct prozent porcentaje
pourcent | length 0.001 mm millimetre millimetres millimeter millimeters | length 0.01 cm
centimetre centimetres centimeter centimeters | length 1 m metre metres meter meters metern metros
| length 1000 km kilometre kilometres kilometer kilometers kilometern kilómetros | length 1609.344
mile miles | length 0.3048 ft foot feet | mass 1 g gram grams gramm | mass 1000 kg kilogram
kilograms kilogramm | mass 453.59237 lb lbs pound pounds | pixel 1 px pixel pixels | frequency 1
hz hertz | frequency 1000 khz | frequency 1000000 mhz | frequency 1000000000 ghz | dollar 1 $
dollar dollars usd | euro 1 € euro euros eur | celsius 1 °c | fahrenheit 1 °f | degree 1 ° degree
degrees | token 1 token tokens | volt 1 v volt volts | watt 1 w watt watts
"""
for entry in SPELLINGS.split("|"):
    kind, factor, *spellings = entry.split()
    UNITS |= dict.fromkeys(spellings, (kind, factor))

NUMBER_WORDS: dict[str, dict[str, str]] = {
    language: {word: str(value) for value, word in enumerate(words.split())}
    for language, words in {
        "en": "zero one two three four five six seven eight nine ten eleven twelve thirteen "
        "fourteen fifteen sixteen seventeen eighteen nineteen twenty",
        "de": "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf",
        "es": "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce",
        "fr": "zéro un deux trois quatre cinq six sept huit neuf dix onze douze",
    }.items()
}
TENS = "thirty forty fifty sixty seventy eighty ninety"
NUMBER_WORDS["en"] |= {word: str(30 + 10 * at) for at, word in enumerate(TENS.split())} | {
    "once": "1", "twice": "2", "thrice": "3", "double": "2", "dozen": "12", "hundred": "100",
    "thousand": "1000", "single": "1", "half": "0.5",
}  # fmt: skip
SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}
# A number word that is as often none: asked for only when it is written as a digit.
ARTICLES = frozenset(["a", "an"])
WEAK = frozenset("one once single double half dozen hundred thousand eins uno un".split())
THIRD_TO_TWELFTH = "third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"
ORDINALS = {word: f"{value}th" for value, word in enumerate(THIRD_TO_TWELFTH.split(), start=3)}
# Nothing is counted by these: "three times", "the 2 others".
NO_NOUNS = frozenset(
    "time times way ways thing things kind kinds type types part parts more most other others of "
    "different total or and to in on at is are was were the a an for by per from with than least "
    "as step steps option options case cases place places point points item items entry entries "
    "value values january february march april may june july august september october november "
    "december such these those it them that which who new separate distinct".split()
)

HALF = re.compile(r"(?i)\bhalf an? (?=\w)")
ISO_DATE = re.compile(r"(?<![\w.-])(\d{4})-(0\d|1[0-2])-([0-2]\d|3[01])(?![\w-])")
MONTHS = "January February March April May June July August September October November December"
FOLLOWING = re.compile(r"[\s\u00a0-]*([A-Za-zµμÀ-ÿ%°$€]+)")
WORDS = re.compile(r"[A-Za-zÀ-ÿ]+")
TOKEN = re.compile(
    r"(?<![\w.,])(?P<money>[$€]\s?)?(?P<sign>[-−](?=\d))?v?(?P<number>\d+(?:[.,]\d+)*)(?P<ordinal>st|nd|rd|th)?(?P<glued>[A-Za-zµμ%°]{1,6})?(?![\w])"
    r"|(?P<word>[A-Za-zÀ-ÿ]+(?:-[A-Za-zÀ-ÿ]+)?)"
)


@dataclass(frozen=True)
class Quantity:
    """`readings`: values the digits may stand for, as written ("3.10") or in the unit's base."""

    written: str
    readings: frozenset[str]
    unit: str = ""  # its kind: time, data, …; "" for none
    factor: str = ""  # to the base of its kind
    base: frozenset[Decimal] = frozenset()  # the readings times the unit's factor
    noun: str = ""  # the word that is counted, when no unit follows
    weak: bool = False  # "one" may be a pronoun: held by a passage, never asked of one


def quantities(text: str, language: str = "en") -> list[Quantity]:
    """All numbers of a text without markup, in order."""
    return list(_quantities(_joined_groups(dates_spelled(text), language), primary(language)))


def missing(
    claimed: Iterable[Quantity], held: Collection[Quantity], words: Collection[str]
) -> list[str]:
    """What of the claimed is not held; `words` are the lower-case words around the held."""
    return [one.written for one in claimed if not one.weak and not _held(one, held, words)]


def _held(one: Quantity, held: Collection[Quantity], words: Collection[str]) -> bool:
    for other in held:
        if one.unit and other.unit:
            if one.unit == other.unit and one.base & other.base:
                return True
        elif one.unit == "ratio" and one.base & _decimals(other.readings):
            return True  # 20 % of a 0.2
        elif one.readings & other.readings:
            if not one.unit:
                return True
            # "20" in a column of seconds, or after NAME_MS: the unit stands near it.
            if _unit_words(one) & set(words):
                return True
    return False


def _unit_words(one: Quantity) -> set[str]:
    """Every spelling of the unit that this quantity was written with."""
    return {spelling for spelling, unit in UNITS.items() if unit == (one.unit, one.factor)}


def _quantities(text: str, language: str) -> Iterator[Quantity]:
    known = NUMBER_WORDS.get(language, {})
    for found in TOKEN.finditer(text):
        following = FOLLOWING.match(text, found.end())
        after = following[1] if following else ""
        if found["word"]:
            yield from _in_words(found["word"], after, known)
        else:
            yield from _in_digits(found, after, language)


def _in_words(word: str, after: str, known: dict[str, str]) -> Iterator[Quantity]:
    lowered = word.lower()
    tens, _, ones = lowered.partition("-")
    if lowered in ARTICLES and after.lower() in UNITS and len(after) > 2:
        value = "1"
    elif lowered in known:
        value = known[lowered]
    elif tens in known and ones in known:
        value = str(int(Decimal(known[tens])) + int(Decimal(known[ones])))
    elif known and lowered in ORDINALS:
        yield Quantity(word, frozenset([ORDINALS[lowered]]))
        return
    else:
        return
    # "one" alone may be a pronoun, "one hour" is an hour; and so is "an hour".
    unit = after.lower() in UNITS and len(after) > 1
    weak = lowered in ARTICLES or (lowered in WEAK and not unit)
    yield _quantity(word, {value}, after, weak=weak)


def _in_digits(found: re.Match[str], after: str, language: str) -> Iterator[Quantity]:
    digits = found["number"]
    if found["ordinal"]:
        words = [*WORDS.findall(found.string[: found.start()])[-1:], after]
        dated = {digits} if any(word.capitalize() in MONTHS.split() for word in words) else set()
        yield Quantity(found[0], frozenset([f"{digits}th", *dated]))
        return
    glued, sign = found["glued"] or "", "-" if found["sign"] else ""
    if glued and glued.lower() not in UNITS and glued not in ("k", "K", "M", "x"):
        return  # "2fa", "3D": a name, not a number
    readings = {sign + value for value in _readings(digits, language)}
    if glued in ("k", "K", "M"):
        readings = {
            _plain(Decimal(v) * (10**6 if glued == "M" else 1000))
            for v in readings
            if _is_decimal(v)
        }
        glued = ""
    elif glued == "x":
        glued = ""
    money = (found["money"] or "").strip()
    # "Lighthouse 4 requires": a version counts nothing.
    version = re.search(r"[A-Z]\w*\s$", found.string[: found.start()]) is not None
    unit = money or glued
    yield _quantity(found[0].strip(), readings, unit or after, glued=bool(unit), version=version)


def _quantity(
    written: str,
    readings: set[str],
    after: str,
    *,
    weak: bool = False,
    glued: bool = False,
    version: bool = False,
) -> Quantity:
    lowered = after.lower()
    if lowered in SCALES:
        readings = {_plain(Decimal(v) * SCALES[lowered]) for v in readings if _is_decimal(v)}
        return Quantity(f"{written} {after}", frozenset(readings))
    # One letter may be anything ("12 M", "5 a"), unless it is written right behind the number.
    unit = (
        UNITS.get(lowered)
        if glued or len(after) > 1 or after in ("%", "$", "€", "s", "h", "°")
        else None
    )
    if unit is None:
        counts = all(value.isdigit() for value in readings) and after.isalpha() and len(after) > 2
        noun = lowered if counts and not version and lowered not in NO_NOUNS else ""
        return Quantity(written, frozenset(readings), noun=noun, weak=weak)
    kind, factor = unit
    base = frozenset(value * Decimal(factor) for value in _decimals(readings))
    name = written if glued else f"{written} {after}"
    return Quantity(name, frozenset(readings), kind, factor, base, weak=weak)


def _readings(digits: str, language: str) -> set[str]:
    """ "1,000" is a thousand in English, and may be one in German; 1.000 the other way round."""
    if not re.search(r"[.,]", digits):
        return {digits.lstrip("0") or "0"}
    thousands = re.fullmatch(r"\d{1,3}(?:([.,])\d{3})(?:\1\d{3})*([.,]\d+)?", digits)
    found = {digits.replace(",", ".")} if language != "en" or "," not in digits else set()
    if thousands and (language != "en" or thousands[1] == ","):
        mark = thousands[1]
        found.add(digits.replace(mark, "").replace(",", "."))
    return found or {digits.replace(",", ".")}


def dates_spelled(text: str) -> str:
    """2019-07-02 as 2 July 2019: the parts are compared, in whatever order they stand."""
    text = HALF.sub("0.5 ", text)
    months = MONTHS.split()
    return ISO_DATE.sub(lambda m: f"{int(m[3])} {months[int(m[2]) - 1]} {m[1]}", text)


def _joined_groups(text: str, language: str) -> str:
    """1 000 and 1'000 as 1000."""
    return re.sub(
        r"(?<![\d.,])\d{1,3}(?:[\u00a0\u202f'’ ]\d{3})+(?![\d])",
        lambda m: re.sub(r"\D", "", m[0]), text,
    )  # fmt: skip


def _decimals(readings: Iterable[str]) -> frozenset[Decimal]:
    return frozenset(Decimal(value) for value in readings if _is_decimal(value))


def _is_decimal(value: str) -> bool:
    return re.fullmatch(r"-?\d+(?:\.\d+)?", value) is not None


def _plain(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
