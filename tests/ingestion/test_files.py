"""The folder loader: every file is an item, nothing is read outside of the root."""

import os

import pytest

from ingestion.loaders.base import LoadError, NotAPage
from ingestion.loaders.files import FolderLoader


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "root"
    for name in ("b.md", "a/one.mdx", "a/two.markdown", ".git/x.md", "node_modules/y.md", "z.txt"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}\n")
    return root


def test_files_come_in_a_fixed_order_without_hidden_folders(folder):
    assert list(FolderLoader(folder).paths()) == ["a/one.mdx", "a/two.markdown", "b.md", "z.txt"]


def test_include_and_exclude_patterns(folder):
    assert list(FolderLoader(folder, include=["a/**"]).paths()) == ["a/one.mdx", "a/two.markdown"]
    assert list(FolderLoader(folder, exclude=["**/*.mdx", "?.*"]).paths()) == ["a/two.markdown"]


def test_a_document_knows_its_type_and_url(folder):
    raw = FolderLoader(folder, "https://x.org/docs").read("a/one.mdx")
    assert (raw.content, raw.media_type) == (b"# a/one.mdx\n", "text/mdx")
    assert raw.url == "https://x.org/docs/a/one"
    assert raw.modified_at.tzinfo is not None


def test_what_nobody_publishes_is_shown_at_the_fallback_address(folder):
    nowhere = FolderLoader(folder, fallback_url="/read/x")
    assert nowhere.read("b.md").url == "/read/x/b"
    assert FolderLoader(folder, "https://x.org", fallback_url="/read/x").read("b.md").url == (
        "https://x.org/b"
    )
    (folder / "a" / "mkdocs.yml").write_text("site_url: https://m.org/\ndocs_dir: .\n")
    within = FolderLoader(folder, fallback_url="/read/x")
    assert within.read("a/two.markdown").url == "https://m.org/two/"
    assert within.read("b.md").url == "/read/x/b"


def test_urls_follow_the_site(folder):
    (folder / "docusaurus.config.js").write_text("x = {url: 'https://d.org', baseUrl: '/'}")
    (folder / "docs").mkdir()
    (folder / "docs" / "c.md").write_text("---\nslug: /chosen\n---\n")
    loader = FolderLoader(folder)
    raw = loader.read("docs/c.md")
    assert (raw.url, raw.site_kind) == ("https://d.org/docs/chosen", "docusaurus")
    with pytest.raises(NotAPage, match="outside the folders"):
        loader.read("b.md")


def test_a_file_of_no_document_format_is_an_item_that_says_so(folder):
    (folder / "code.py").write_text("x = 1")
    (folder / "LICENSE").write_text("Free")
    (folder / "report.pdf").write_bytes(b"%PDF-1.7")
    found = {entry.key: entry for entry in FolderLoader(folder).load()}
    assert str(found["code.py"]) == "code.py: no document format: .py"
    assert str(found["LICENSE"]) == "LICENSE: no document format: LICENSE"
    assert isinstance(found["code.py"], NotAPage)
    assert found["report.pdf"].media_type == "application/pdf"
    assert found["report.pdf"].url == "report.pdf"


def test_only_links_to_files_inside_the_root_are_followed(folder, tmp_path):
    (tmp_path / "secret.md").write_text("secret")
    (folder / "file.md").symlink_to(tmp_path / "secret.md")
    (folder / "up").symlink_to(tmp_path)
    (folder / "loop.md").symlink_to(folder / "loop.md")
    (folder / "again").symlink_to(folder / "a")
    (folder / "inside.md").symlink_to(folder / "b.md")
    (folder / "dead.md").symlink_to(folder / "none.md")
    found = {entry.key: entry for entry in FolderLoader(folder).load()}
    reasons = {key: str(entry) for key, entry in found.items() if isinstance(entry, NotAPage)}
    assert found["inside.md"].content == b"# b.md\n"
    assert set(reasons) == {"file.md", "up", "loop.md", "again", "dead.md"}
    assert "leads out of the folder" in reasons["file.md"]
    assert "read in its own place" in reasons["again"]
    assert not any(key.startswith(("up/", "again/")) for key in found)


@pytest.mark.parametrize(
    "key", ["../secret.md", "file.md", "missing.md", "a", "b.md/x", "nul\0.md"]
)
def test_what_cannot_be_read_is_an_error_that_names_it(folder, tmp_path, key):
    (tmp_path / "secret.md").write_text("secret")
    (folder / "file.md").symlink_to(tmp_path / "secret.md")
    with pytest.raises(LoadError) as caught:
        FolderLoader(folder).read(key)
    assert caught.value.key == key
    assert repr(key)[1:-1] in str(caught.value)


def test_one_bad_file_does_not_end_the_walk(folder):
    (folder / "a" / "one.mdx").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200))
    os.truncate(folder / "a" / "two.markdown", 2_000)
    entries = list(FolderLoader(folder, byte_limit=1_000).load())
    assert [type(entry).__name__ for entry in entries] == [
        "LoadError", "LoadError", "RawDocument", "RawDocument",
    ]  # fmt: skip
    assert "not a text file" in str(entries[0])
    assert "more than the 1,000 allowed" in str(entries[1])


def test_a_root_that_cannot_work_says_what_to_do(folder, tmp_path):
    with pytest.raises(LoadError, match=r"there is no folder .*; check the location"):
        list(FolderLoader(tmp_path / "none").paths())
    with pytest.raises(LoadError, match="is a file; give the folder"):
        list(FolderLoader(folder / "b.md").paths())
    with pytest.raises(LoadError, match=r"no documents found .* matching \*.rst; check"):
        list(FolderLoader(folder, include=["*.rst"]).paths())


def test_what_is_neither_file_nor_folder_is_not_opened(folder):
    os.mkfifo(folder / "pipe.md")
    found = {entry.key: entry for entry in FolderLoader(folder).load()}
    assert str(found["pipe.md"]) == "pipe.md: not a file"


def test_a_name_that_is_no_text_is_an_error_on_its_item(folder):
    (folder / os.fsdecode(b"caf\xe9.md")).write_text("# Café")
    found = {entry.key: entry for entry in FolderLoader(folder).load()}
    assert str(found["caf?.md"]) == "caf?.md: its name is not in UTF-8; rename it"


def test_a_folder_without_any_document_is_an_error(folder):
    (folder / "code.py").write_text("x = 1")
    with pytest.raises(LoadError, match="no documents found"):
        list(FolderLoader(folder, include=["*.py"]).paths())


def test_what_a_page_includes_is_part_of_its_content(folder):
    (folder / "mkdocs.yml").write_text("docs_dir: a\n")
    (folder / "a" / "page.md").write_text('--8<-- "part.txt"\n')
    (folder / "part.txt").write_text("one")
    before = FolderLoader(folder).read("a/page.md")
    (folder / "part.txt").write_text("two")
    assert before.content_hash != FolderLoader(folder).read("a/page.md").content_hash
