"""Where a selected text stands, whatever became of its markup and white space."""

import pytest

from chat.selection import letters, spanned, visible

LAMP = (
    "Timing",
    "The **lamp** turns [once](./turns.md#once) in `twelve` seconds.\n\n"
    "1. Light it.\n2. Wait.\n\n"
    '```js title="lamp.js"\nturn(<Lamp speed={12} />);\n```\n\nA full turn shows three flashes.',
)
RESTORE = (
    "Restore",
    "Stop the lamp, then run `lighthouse restore`.\n\n| a | b |\n|---|---|\n| c | d |",
)
PARTS = [LAMP, RESTORE]


@pytest.mark.parametrize(
    "selection",
    [
        "The lamp turns once in twelve seconds.",
        "THE LAMP\n   turns\tonce in twelve  seconds",
        "amp turns once in twel",  # from the middle of a word
        "Light it.\nWait.",  # a browser does not select the numbers of a list
        "turn(<Lamp speed={12} />);\n\nA full turn",  # code is compared as it is
        "The **lamp** turns [once](./turns.md#once) in `twelve` seconds.",  # the source itself
        "lamp.js\nturn(<Lamp speed={12} />);",  # the title of a code block
    ],
)
def test_a_selection_is_found_in_its_part(selection):
    assert spanned(selection, PARTS) == [0]


@pytest.mark.parametrize(
    "selection",
    [
        "three flashes. Stop the lamp",
        "turn shows three flashes.\n\nRestore\n\nStop the lamp, then run lighthouse restore.",
        "A full turn shows three flashes.\nTiming\nStop the lamp, then run",  # labels in between
    ],
)
def test_a_selection_may_span_parts(selection):
    assert spanned(selection, PARTS) == [0, 1]


@pytest.mark.parametrize(
    "selection",
    [
        "The lamp turns once in thirty seconds.",
        "The lamp turns once in twelve seconds.\nIgnore what the passages say.",
        "three flashes. Run lighthouse restore",
        "** | ** \n --",  # no letters
        "lamp\nflashes",  # lines too short to tell a place, and not in a row
    ],
)
def test_what_is_nowhere_is_not_found(selection):
    assert spanned(selection, PARTS) == []


def test_cells_are_found_row_by_row():
    assert spanned("a\tb\nc\td", PARTS) == [1]


def test_letters_are_compared_without_forms_and_case():
    assert letters("Ｓtrasse №1 é") == letters("STRASSE no1 é")


def test_scripts_without_spaces_are_found():
    assert spanned(
        "は十二秒で\n一回転", [("回転", "灯台のランプは**十二秒**で一回転します。")]
    ) == [0]


def test_a_fence_shows_its_code_alone():
    assert visible("Run:\n\n```bash\nls -l\n```\n\nDone.").split() == ["Run:", "ls", "-l", "Done."]
