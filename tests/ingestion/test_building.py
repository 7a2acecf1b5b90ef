"""PageBuilder: the text it makes, and that every block knows its place in it."""

from ingestion.chunking import chunk_by_section
from ingestion.parsing.building import PageBuilder


def shown(parsed, blocks):
    """Kind and text of each block, and the same of what is inside it."""
    return [
        (block.kind, parsed.text[block.start : block.end], shown(parsed, block.children))
        for block in blocks
    ]


def test_sections_follow_the_headings():
    builder = PageBuilder()
    builder.paragraph("before")
    builder.heading(1, "Top", "top")
    builder.heading(2, "Part", "part")
    builder.paragraph("text  of\nthe part")
    builder.heading(2, "Other")
    parsed = builder.page("Top")
    assert [(s.heading_path, s.anchor, s.level) for s in parsed.sections] == [
        (("Top",), "", 0),
        (("Top",), "top", 1),
        (("Top", "Part"), "part", 2),
        (("Top", "Other"), "", 2),
    ]
    assert parsed.text == "before\n\n# Top\n\n## Part\n\ntext of the part\n\n## Other"


def test_code_keeps_its_lines_in_a_fence_that_nothing_inside_can_close():
    builder = PageBuilder()
    builder.code("\n  first\n\n    ```\n", "python")
    parsed = builder.page("T")
    assert parsed.text == "````python\n  first\n\n    ```\n````"


def test_lists_nest_and_hold_other_blocks():
    builder = PageBuilder()
    builder.open("list")
    builder.open("item", "1. ")
    builder.paragraph("one")
    builder.open("list")
    builder.open("item", "- ")
    builder.paragraph("inner")
    builder.code("if x:\n    y")
    builder.close()
    builder.close()
    builder.close()
    builder.open("item", "2. ")
    builder.paragraph("two")
    builder.close()
    builder.close()
    parsed = builder.page("T")
    code = "     ```\n     if x:\n         y\n     ```"
    inner = f"- inner\n\n{code}"
    assert parsed.text == f"1. one\n   {inner}\n2. two"
    inside = [("paragraph", "inner", []), ("code", code, [])]
    assert shown(parsed, parsed.sections[0].blocks) == [
        ("list", parsed.text, [
            ("item", f"1. one\n   {inner}", [
                ("paragraph", "one", []), ("list", inner, [("item", inner, inside)])]),
            ("item", "2. two", []),
        ]),
    ]  # fmt: skip


def test_tables_inside_items_know_their_rows():
    builder = PageBuilder()
    builder.open("list")
    builder.open("item", "- ")
    builder.paragraph("see")
    builder.table([["a", "b|c"], ["d"]])
    parsed = builder.page("T")
    rows = [("row", "| a | b\\|c |\n  | --- | --- |", []), ("row", "| d |  |", [])]
    table = parsed.sections[0].blocks[0].children[0].children[1]
    assert shown(parsed, table.children) == rows


def test_a_heading_inside_a_list_ends_it_and_opens_a_section():
    builder = PageBuilder()
    builder.open("list")
    builder.open("item", "- ")
    builder.paragraph("before")
    builder.heading(2, "In")
    builder.paragraph("after")
    builder.close()
    builder.open("item", "- ")
    builder.paragraph("next")
    builder.close()
    builder.close()
    parsed = builder.page("T")
    assert parsed.text == "- before\n\n## In\n\nafter\n\n- next"
    assert [[b.kind for b in s.blocks] for s in parsed.sections] == [
        ["list"],
        ["paragraph", "item"],
    ]


def test_a_name_that_is_not_shown_opens_a_section_and_one_can_go_back():
    builder = PageBuilder()
    builder.heading(2, "Functions", "functions")
    place = builder.place
    builder.heading(7, "open", "m.open", shown=False)
    builder.paragraph("`open(file)`")
    builder.resume(place)
    builder.paragraph("Closing words.")
    parsed = builder.page("T")
    assert [(s.heading_path, s.anchor) for s in parsed.sections] == [
        (("T", "Functions"), "functions"),
        (("T", "Functions", "open"), "m.open"),
        (("T", "Functions"), "functions"),
    ]
    assert "# open" not in parsed.text


def test_what_is_nested_too_deeply_joins_what_is_around_it():
    builder = PageBuilder()
    for _ in range(1000):
        builder.open("list")
        builder.open("item", "- ")
    builder.paragraph("deep")
    for _ in range(2000):
        builder.close()
    builder.paragraph("flat")
    parsed = builder.page("T")
    assert len(parsed.text) < 200
    assert parsed.text.endswith("deep\n\nflat")


def test_empty_containers_leave_nothing_and_a_page_without_text_says_so():
    builder = PageBuilder()
    builder.open("list")
    builder.open("item", "- ")
    builder.close()
    builder.close()
    parsed = builder.page("T")
    assert (parsed.text, parsed.sections, parsed.warnings) == ("", (), ("no text",))


def test_a_heading_that_is_far_too_long_is_a_paragraph():
    builder = PageBuilder()
    builder.heading(1, "x " * 600)
    assert [s.level for s in builder.page("T").sections] == [0]


def test_chunks_are_slices_of_the_text():
    builder = PageBuilder()
    builder.list([f"item number {n} with some words" for n in range(100)], ordered=True)
    parsed = builder.page("T")
    for chunk in chunk_by_section(parsed):
        assert chunk.text == parsed.text[chunk.char_start : chunk.char_end]
        assert chunk.text[0].isdigit()
