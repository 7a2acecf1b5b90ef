"""Numbers: the same however they are written, and different where they are."""

import re

import pytest

from chat.grounding.quantities import missing, quantities


def lost(claim: str, source: str, language: str = "en") -> list[str]:
    words = re.findall(r"[a-z]+", source.lower())
    return missing(quantities(claim, language), quantities(source, language), words)


@pytest.mark.parametrize(
    ("claim", "source"),
    [
        ("12 seconds", "twelve seconds"), ("12s", "12 seconds"), ("2 minutes", "120 s"),
        ("1,000 ships", "1000 ships"), ("1 000 ships", "1,000 ships"), ("5k rows", "5,000 rows"),
        ("20 %", "20 percent"), ("20 %", "a share of 0.2"), ("2 GB", "2000 megabytes"),
        ("version 3.11", "Python v3.11"), ("twenty-five", "25"), ("2 million", "2,000,000"),
        ("on 2 July 2019", "2019-07-02"), ("July 2nd, 2019", "on 2 July 2019"),
        ("the 3rd one", "the third one"), ("half an hour", "30 minutes"), ("one hour", "an hour"),
        ("300 milliseconds", "`TIMEOUT_MS` is 300"), ("one of them", "some of them"),
        ("$29", "29 dollars"), ("10–20 items", "between 10 and 20"), ("twice", "2 times"),
    ],
)  # fmt: skip
def test_the_same_number_written_otherwise(claim, source):
    assert lost(claim, source) == []


@pytest.mark.parametrize(
    ("claim", "source"),
    [
        ("16.14 %", "16.4 %"), ("12 seconds", "12 minutes"), ("2 MB", "2 GB"), ("3.1", "3.10"),
        ("15 pages", "50 pages"), ("20 %", "20 pages"), ("1,000", "1.000"), ("-1", "1"),
        ("2 July 2019", "2019-07-03"), ("€29", "$29"), ("300 seconds", "`TIMEOUT_MS` is 300"),
        ("one hour", "one day"), ("three times", "four times"), ("the 4th one", "the third one"),
    ],
)  # fmt: skip
def test_another_number_or_unit(claim, source):
    assert lost(claim, source) != []


@pytest.mark.parametrize(
    ("claim", "source", "language"),
    [
        ("1.000 Seiten", "1000 Seiten", "de"), ("0,5 Sekunden", "0.5 s", "de"),
        ("zwölf Sekunden", "12 s", "de"), ("doce segundos", "12 s", "es"),
    ],
)  # fmt: skip
def test_numbers_of_other_languages(claim, source, language):
    assert lost(claim, source, language) == []


def test_digits_inside_a_name_are_no_number():
    assert quantities("utf8, h2 and sha256sum") == []
