"""Chunks: verbatim, inside their section, whole where they can be."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.chunking import chunk_by_section, chunk_id
from ingestion.parsing.base import visible
from ingestion.parsing.markdown import parse_markdown


def chunks(text, *, limit=1200, **options):
    return chunk_by_section(parse_markdown(text, **options), limit=limit)


def texts(text, **options):
    return [chunk.text for chunk in chunks(text, **options)]


def test_a_chunk_never_crosses_a_heading():
    found = chunks("# T\n\na\n\n## A\n\nb\n\n## B\n\n## C\n\nc\n")
    assert [(chunk.heading_path[-1], chunk.text) for chunk in found] == [
        ("T", "a"),
        ("A", "b"),
        ("C", "c"),
    ]


def test_positions_point_into_the_source():
    text = "# T\n\nimport A from 'a';\n\n<A>\n\none\n\n<B/>\n\ntwo\n\n</A>\n"
    (chunk,) = chunks(text, mdx=True)
    assert chunk.text == "one\n\ntwo"
    assert text[chunk.char_start : chunk.char_end] == "one\n\n<B/>\n\ntwo"
    assert (chunk.line_start, chunk.line_end) == (7, 11)


def test_without_markup_a_chunk_is_the_slice():
    text = "# T\n\n* one\n\n\n   two   spaces\n\n```\ncode\n```\n"
    (chunk,) = chunks(text)
    assert chunk.text == text[chunk.char_start : chunk.char_end] == text[5:-1]


def test_a_code_fence_stays_whole_and_with_its_introduction():
    text = f"# T\n\n{'prose. ' * 10}\n\nLike this:\n\n```js\n{'a;' * 20}\n\nb;\n```\n\nAfter.\n"
    found = texts(text, limit=90)
    assert any(chunk.startswith("Like this:") and "b;\n```" in chunk for chunk in found)


def test_a_long_fence_is_cut_at_blank_lines_then_lines():
    code = "\n\n".join(f"def f{number}():\n    return {number}" for number in range(5))
    found = texts(f"```py\n{code}\n```\n", limit=60)
    assert all(len(chunk) <= 60 for chunk in found)
    assert found[1].startswith("def f")
    assert "".join("".join(found).split()) == "".join(f"```py{code}```".split())


def test_a_long_table_is_cut_between_rows():
    rows = [f"| {number} | {'x' * 20} |" for number in range(10)]
    found = texts("\n".join(["| a | b |", "| - | - |", *rows]), limit=100)
    assert all(line.startswith("|") for chunk in found for line in chunk.split("\n"))
    assert len(found) > 2


def test_list_items_stay_whole():
    items = [f"- item {number}\n  goes on" for number in range(10)]
    found = texts("\n".join(items), limit=60)
    assert all(chunk.startswith("- item") and chunk.endswith("goes on") for chunk in found)


@pytest.mark.parametrize(
    ("sentence", "stop"), [("Some words here. ", "."), ("私は猫である。", "。")]
)
def test_long_prose_is_cut_between_sentences(sentence, stop):
    found = texts(sentence * 40, limit=100)
    assert len(found) > 2
    assert all(len(chunk) <= 100 and chunk.endswith(stop) for chunk in found)


def test_no_crumb_is_left_over():
    sizes = [len(chunk) for chunk in texts("\n\n".join(["x" * 99] * 12), limit=1000)]
    assert min(sizes) > 400


def test_headings_alone_rules_and_symbols_give_no_chunk():
    assert texts("# T\n\n## Empty\n\n---\n\n## Symbols\n\n!!! ... ***\n") == []


def test_ids_depend_on_corpus_key_headings_text_and_occurrence():
    first, second, other = chunks("# T\n\nsame\n\n# T\n\nsame\n\n## H\n\nsame\n")
    assert (first.occurrence, second.occurrence, other.occurrence) == (0, 1, 0)
    ids = {chunk_id("c", "k", draft) for draft in (first, second, other)}
    ids |= {chunk_id("c", "k2", first), chunk_id("ck", "", first)}
    assert len(ids) == 5


def test_an_unchanged_chunk_keeps_its_id_when_it_moves():
    before = chunks("# T\n\n## A\n\nstays\n")[0]
    after = chunks("# T\n\nnew\n\n## A\n\nstays\n")[1]
    assert before.char_start != after.char_start
    assert chunk_id("c", "k", before) == chunk_id("c", "k", after)


def test_embedded_text_carries_the_headings():
    assert chunks("# T\n\n## A\n\ntext\n")[0].text_with_headings == "T › A\n\ntext"


def test_a_page_of_five_megabytes_is_no_problem():
    block = "## Part\n\n" + "Some words in a sentence, with `code` and <b>tags</b>. " * 30
    text = (block + "\n\n- one\n- two\n\n```js\nlet a = {b: 1};\n```\n\n") * 3000
    started = time.perf_counter()
    found = chunks(text, mdx=True)
    assert len(text) > 5_000_000
    assert len(found) > 5000
    assert time.perf_counter() - started < 20


@pytest.mark.parametrize(
    "piece",
    ["[", "[a](", "{", "{`", "<", '<a "', "`a``b```", "<!--", "{/*", "> ", "- ", "*a **b ", "$a{",
     "a<br>", "export const a = {\n\n", "import a\n\n", "import ", "```\nx\n", "word ", "猫", "\t"],
)  # fmt: skip
def test_hostile_repetition_is_read_in_proportion(piece):
    text = piece * (200_000 // len(piece))
    started = time.perf_counter()
    for mdx in (False, True):
        chunks(text, mdx=mdx)
    assert time.perf_counter() - started < 8


word = st.text("abcé猫.,<>{}`*_#:| ", min_size=1, max_size=30)
block = st.one_of(
    word,
    word.map("## {}".format),
    word.map("- {}\n- x".format),
    word.map("> {}".format),
    word.map("```js\n{}\n\nend\n```".format),
    word.map("| a | b |\n| - | - |\n| {} | c |".format),
    word.map(":::tip {}\n\ntext\n\n:::".format),
    word.map('<Tab a="b">{}</Tab>'.format),
    word.map("!!! note\n    {}".format),
    word.map("export const a = '{}';".format),
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(block, max_size=12).map("\n\n".join), st.booleans(), st.sampled_from([20, 80, 1200])
)
def test_any_document_gives_verbatim_ordered_chunks(text, mdx, limit):
    parsed = parse_markdown(text, mdx=mdx)
    position = 0
    for chunk in chunk_by_section(parsed, limit=limit):
        assert position <= chunk.char_start < chunk.char_end
        assert chunk.text == visible(text, parsed.markup, chunk.char_start, chunk.char_end)
        source = iter(text[chunk.char_start : chunk.char_end])
        assert all(character in source for character in chunk.text)  # only ever left out
        assert chunk.line_start == text.count("\n", 0, chunk.char_start) + 1
        assert chunk.line_end == text.count("\n", 0, chunk.char_end) + 1
        position = chunk.char_end


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text("ab c\n", min_size=1, max_size=60), min_size=1, max_size=8))
def test_fences_that_fit_are_never_cut(codes):
    fences = [f"```\nx{code}x\n```" for code in codes]
    found = texts("\n\ntext\n\n".join(fences), limit=100)
    assert all(any(fence in chunk for chunk in found) for fence in fences)
