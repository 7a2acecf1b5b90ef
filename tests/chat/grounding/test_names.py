"""Names and identifiers: what they are, and whether a text holds them."""

import pytest

from chat.grounding.names import Name, holds, names
from chat.sentences import plain


def found(markdown: str, language: str = "en") -> list[str]:
    return [name.text for name in names(markdown, plain(markdown), language)]


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("Set `MAX_AGE` to 5", ["MAX_AGE"]), ("The file docs/index.md", ["docs/index.md"]),
        ("Use --verbose with care", ["--verbose"]), ("set onBrokenLinks", ["onBrokenLinks"]),
        ("in docusaurus.config.js", ["docusaurus.config.js"]), ("call run_all()", ["run_all()"]),
        ("It was Anna Holm", ["Anna", "Holm"]), ("Anna Holm was it", ["Anna", "Holm"]),
        ("Every Monday it runs", ["Monday"]), ("Backups are written", []),
        ("See https://x.org/a for it", ["https://x.org/a"]), ("the HTTP server", ["HTTP"]),
        ("version 3.11 of 2019", []), ("That is so. Then it ends", []),
    ],
)  # fmt: skip
def test_what_is_a_name(markdown, expected):
    assert found(markdown) == expected


def test_german_nouns_are_no_names():
    assert found("Die Lampe am Turm heißt `LAMP_1`", "de") == ["LAMP_1"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (Name("Backups", code=False), "a backup"), (Name("Holm's", code=False), "by Anna Holm"),
        (Name("Khloe", code=False), "Khloé"), (Name("LIMIT=6", code=True), "LIMIT is 6"),
        (Name("pause()", code=True), "call pause when"), (Name("July", code=False), "Jul 2019"),
    ],
)  # fmt: skip
def test_a_text_holds_a_name_in_another_form(name, text):
    assert holds(text, name)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (Name("MAX", code=True), "MAX_AGE"), (Name("--all", code=True), "--allow"),
        (Name("restore()", code=True), "Restored"), (Name("run init", code=True), "init run"),
        (Name("Holm", code=False), "Holmgren"), (Name("debug", code=True), "DEBUG"),
    ],
)  # fmt: skip
def test_a_text_does_not_hold_what_only_resembles(name, text):
    assert not holds(text, name)
