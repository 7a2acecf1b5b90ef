"""The folder loader and decoding."""

import os

import pytest

from ingestion.loaders.base import LoadError, NotAPage
from ingestion.loaders.files import FolderLoader
from ingestion.parsing.base import ParseError
from ingestion.parsing.decoding import decode


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "root"
    for name in ("b.md", "a/one.mdx", "a/two.markdown", ".git/x.md", "node_modules/y.md", "z.txt"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}\n")
    return root


def test_documents_come_in_a_fixed_order_without_hidden_folders(folder):
    assert list(FolderLoader(folder).paths()) == ["a/one.mdx", "a/two.markdown", "b.md"]


def test_include_and_exclude_patterns(folder):
    assert list(FolderLoader(folder, include=["a/**"]).paths()) == ["a/one.mdx", "a/two.markdown"]
    assert list(FolderLoader(folder, exclude=["**/*.mdx", "b.md"]).paths()) == ["a/two.markdown"]


def test_a_document_knows_its_type_and_url(folder):
    raw = FolderLoader(folder, "https://x.org/docs").read("a/one.mdx")
    assert (raw.content, raw.media_type) == (b"# a/one.mdx\n", "text/mdx")
    assert raw.url == "https://x.org/docs/a/one"
    assert raw.modified_at.tzinfo is not None


def test_urls_follow_the_site(folder):
    (folder / "docusaurus.config.js").write_text("x = {url: 'https://d.org', baseUrl: '/'}")
    (folder / "docs").mkdir()
    (folder / "docs" / "c.md").write_text("---\nslug: /chosen\n---\n")
    loader = FolderLoader(folder)
    raw = loader.read("docs/c.md")
    assert (raw.url, raw.site_kind) == ("https://d.org/docs/chosen", "docusaurus")
    with pytest.raises(NotAPage, match="outside the folders"):
        loader.read("b.md")


def test_links_out_of_the_root_are_skipped_and_reported(folder, tmp_path):
    (tmp_path / "secret.md").write_text("secret")
    (folder / "file.md").symlink_to(tmp_path / "secret.md")
    (folder / "up").symlink_to(tmp_path)
    (folder / "loop.md").symlink_to(folder / "loop.md")
    (folder / "inside.md").symlink_to(folder / "b.md")
    loader = FolderLoader(folder)
    assert list(loader.paths()) == ["a/one.mdx", "a/two.markdown", "b.md", "inside.md"]
    assert set(loader.skipped) == {"file.md", "up", "loop.md"}


@pytest.mark.parametrize("key", ["../secret.md", "file.md", "missing.md", "z.txt"])
def test_what_cannot_be_read_is_an_error_that_names_it(folder, tmp_path, key):
    (tmp_path / "secret.md").write_text("secret")
    (folder / "file.md").symlink_to(tmp_path / "secret.md")
    with pytest.raises(LoadError) as caught:
        FolderLoader(folder).read(key)
    assert caught.value.key == key
    assert key in str(caught.value)


def test_one_bad_file_does_not_end_the_walk(folder):
    (folder / "a" / "one.mdx").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200))
    os.truncate(folder / "a" / "two.markdown", 2_000)
    entries = list(FolderLoader(folder, byte_limit=1_000).load())
    assert [type(entry).__name__ for entry in entries] == ["LoadError", "LoadError", "RawDocument"]
    assert "not a text file" in str(entries[0])
    assert "more than the 1,000 allowed" in str(entries[1])


def test_a_root_that_cannot_work_says_what_to_do(folder, tmp_path):
    with pytest.raises(LoadError, match=r"there is no folder .*; check the location"):
        list(FolderLoader(tmp_path / "none").paths())
    with pytest.raises(LoadError, match="is a file; give the folder"):
        list(FolderLoader(folder / "b.md").paths())
    with pytest.raises(LoadError, match=r"no documents found .* matching \*.rst; check"):
        list(FolderLoader(folder, include=["*.rst"]).paths())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_unicode_encodings_are_recognised(encoding):
    assert decode("naïve اردو".encode(encoding)) == ("naïve اردو", ())


def test_other_bytes_are_read_as_windows_text():
    text, warnings = decode(b"caf\xe9 \x93x\x94")
    assert text == "café “x”"
    assert warnings == ("not UTF-8: read as Windows-1252",)


def test_line_ends_are_normalised():
    assert decode(b"a\r\nb\rc\n") == ("a\nb\nc\n", ())


def test_characters_that_deceive_are_removed_and_counted():
    text, warnings = decode("a\x00b\u202ec\U000e0041d\u200fe".encode())
    assert text == "abcd\u200fe"
    assert warnings == (
        "1 control characters removed",
        "2 invisible or direction-changing characters removed",
    )


def test_binary_content_is_no_text():
    with pytest.raises(ParseError, match="not a text file"):
        decode(bytes(range(256)) * 4)
