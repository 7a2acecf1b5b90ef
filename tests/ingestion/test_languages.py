"""The language of a document: what it says, else what its prose says, else nothing."""

import pytest

from ingestion.loaders.base import RawDocument
from ingestion.parsing import parse
from ingestion.parsing.languages import detected_language, language_tag, prose_of

PROSE = {
    "en": "The lamp turns once in twelve seconds, and the keeper writes down every ship.",
    "de": "Die Lampe dreht sich einmal in zwölf Sekunden, und der Wärter notiert jedes Schiff.",
    "fr": "La lampe tourne une fois en douze secondes, et le gardien note chaque navire qui passe.",
    "es": "La lámpara gira una vez cada doce segundos, y el guardián anota cada barco que pasa.",
    "pt": "A lâmpada gira uma vez em doze segundos, e o guardião anota cada navio que passa.",
    "nl": "De lamp draait eens in de twaalf seconden, en de wachter schrijft elk schip op.",
    "pl": "Lampa obraca się raz na dwanaście sekund, a latarnik zapisuje każdy statek.",
    "ru": "Лампа делает один оборот за двенадцать секунд, и смотритель записывает каждый корабль.",
    "tr": "Lamba on iki saniyede bir döner ve bekçi geçen her gemiyi deftere yazar.",
    "ur": "چراغ بارہ سیکنڈ میں ایک بار گھومتا ہے اور نگران گزرنے والے ہر جہاز کو لکھ لیتا ہے۔",
    "ar": "يدور المصباح مرة كل اثنتي عشرة ثانية، ويسجل الحارس كل سفينة تمر أمام الساحل.",
    "fa": "چراغ هر دوازده ثانیه یک بار می‌چرخد و نگهبان هر کشتی را که می‌گذرد یادداشت می‌کند.",
    "hi": "दीपक बारह सेकंड में एक बार घूमता है और रखवाला हर गुज़रते जहाज़ को लिख लेता है।",
    "zh": "灯每十二秒转一圈，看守人记下每一艘经过的船只。灯塔在夜里为船指路，直到天亮。",
    "ja": "ランプは十二秒に一度回り、番人は通り過ぎるすべての船を書き留めます。",
    "ko": "등은 십이 초에 한 번 돌고, 등대지기는 지나가는 모든 배를 기록합니다.",
}
CODE = "\n\n```python\nfor ship in harbour.ships():\n    print(ship.name)\n```\n"


def page(text, **about):
    return RawDocument("a.md", text.encode(), "text/markdown", "/a", about=about)


@pytest.mark.parametrize("language", PROSE)
def test_a_language_is_told_by_its_prose(language):
    text = f"# {PROSE[language]}\n\n" + f"{PROSE[language]} " * 8 + CODE
    assert parse(page(text)).language == language


def test_too_little_prose_tells_nothing():
    assert parse(page(PROSE["de"])).language is None


def test_code_and_names_are_no_prose():
    text = "Run `docker compose up` in https://example.org/der/die/das:\n" + CODE * 20
    parsed = parse(page(text))
    assert parsed.language is None
    assert prose_of(parsed).split() == ["Run", "in"]


def test_names_in_a_row_tell_nothing():
    names = "django redis qdrant numpy pandas torch flask celery huey uvicorn "
    assert parse(page(names * 8)).language is None


def test_what_a_document_says_goes_first_and_then_what_its_place_says():
    german = PROSE["de"] * 5
    assert parse(page(f"---\nlang: fr\n---\n\n{german}", language="es")).language == "fr"
    assert parse(page(german, language="es")).language == "es"
    assert parse(page(f"---\nlang: [x]\n---\n\n{german}", language=5)).language == "de"


@pytest.mark.parametrize(
    ("given", "tag"),
    [
        ("en", "en"), ("pt-BR", "pt-br"), ("zh_Hans_CN", "zh-hans-cn"), ("en_US.UTF-8", "en-us"),
        (" de ", "de"), ("english", None), ("", None), ("e", None), ("en\n\n", "en"),
        (None, None), (["en"], None), (5, None), ("en; drop table", None), ("<b>", None),
    ],
)  # fmt: skip
def test_tags_have_one_form(given, tag):
    assert language_tag(given) == tag


def test_a_long_document_is_told_by_its_beginning():
    parsed = parse(page((PROSE["fr"] + "\n\n") * 2000))
    assert len(prose_of(parsed)) < 6000
    assert detected_language(parsed) == "fr"
