"""The same text, or almost the same, is shown once."""

import time
from dataclasses import replace

from chat.duplicates import duplicates
from tests.chat.passages import passage

TEXT = (
    "The sidebar is generated from the folder structure of the documentation. Every folder becomes "
    "a category, and every page in it becomes a link. The order is that of the file names, unless "
    "a number stands in front of the name. A category can be given a label and a position in a "
    "file of metadata, which is read when the site is built."
)


def alike(text: str, other: str) -> bool:
    first, second = passage(text, title="1.0"), passage(other, title="2.0")
    found = duplicates([first, second])
    assert found <= {second.chunk_id}  # the better one always stays
    return bool(found)


def test_the_same_text_in_another_version_is_a_duplicate():
    assert alike(TEXT, TEXT)


def test_a_word_and_white_space_make_no_difference():
    assert alike(TEXT, TEXT.replace("a label", "a title").replace(". ", ".\n\n"))


def test_a_short_text_must_be_the_same():
    assert alike("Restart it.", "Restart  it!")
    assert not alike("Restart it.", "Stop it.")


def test_a_text_that_says_more_is_no_duplicate():
    more = "Generated categories can be mixed with written ones, which stand where they are named."
    assert not alike(TEXT, f"{TEXT} {more}")
    assert not alike(f"{TEXT} {more} {more.upper()} {more[::-1]}", more)  # nor is a part of it


def test_another_number_is_another_text():
    text = f"{TEXT} At most 20 entries are shown."
    assert alike(text, text)
    assert not alike(text, text.replace("20", "50"))


def test_scripts_without_spaces_are_compared_by_their_letters():
    text = (
        "このページでは、サイドバーをフォルダー構造から自動的に生成する方法について説明します。"
        "順序はファイル名の順序であり、名前の前に番号がある場合はその番号に従います。"
    )
    assert alike(text, text.replace("説明", "紹介"))
    assert not alike(text, text[::-1])


def test_of_many_alike_the_first_stays():
    same = [passage(TEXT, title=str(n)) for n in range(5)]
    other = passage("Something else altogether is written here.")
    assert duplicates([other, *same]) == {p.chunk_id for p in same[1:]}


def test_fifty_candidates_take_a_few_milliseconds():
    texts = [" ".join(f"word{n * k % 997}" for n in range(180)) for k in range(1, 51)]
    worst = [passage(text) for text in texts], [passage(TEXT * 4, title=str(n)) for n in range(50)]
    for some in worst:
        began = time.process_time()
        duplicates(some)
        assert time.process_time() - began < 0.1  # about 5 ms on an idle machine
    assert duplicates([replace(one, text="") for one in worst[0][:1]]) == set()
