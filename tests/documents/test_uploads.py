"""Uploaded files: harmless names, one file for each content, nothing half-done, nothing outside."""

import errno
import hashlib
import os
import stat
import threading
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.utils import timezone

from documents import uploads
from documents.models import Corpus, Document, Source, Tombstone, Upload
from documents.uploads import NotStored, Refused, TooLarge, key_of
from ingestion.loaders.base import LoadError
from ingestion.loaders.uploads import UploadLoader
from tests.documents.builders import publish
from tests.uploading import LAMP, given, keep_uploads_in, store, stored_files, tree

pytestmark = pytest.mark.django_db(transaction=True)

BIDI = "\u202e\u202d\u2066\u2069\u200e\u061c"
TAGS = "".join(chr(0xE0000 + ord(char)) for char in "evil")
HOSTILE_NAMES = [
    *(f"{up * depth}etc/passwd.md" for up in ("../", "..\\", "./../", "%2e%2e/", "..%2f", "..;/")
      for depth in (1, 2, 8)),
    *(f"{root}evil.md" for root in ("/", "//", "\\", "\\\\server\\share\\", "C:", "C:\\", "~/",
                                    "file:///", "~root/", "/dev/shm/", "/proc/self/fd/", "`id`/")),
    *(f"{name}{end}" for name in ("con", "PRN", "aux", "NUL", "com1", "LPT9", "con.x", "nul .")
      for end in (".md", ".txt.md")),
    *(f"a{char}b.md" for char in '\0\x01\x07\x08\t\n\r\x1b\x7f\x85\u2028\u2029<>:"|?*%;&$`\'#'),
    *(f"a{char}b.md" for char in f"{BIDI}\u200b\u200c\u200d\u2060\ufeff\ufe0f\u00ad\ud800\ue000"),
    f"a{TAGS}.md", "a.md\0.exe.md", "a.exe\0.md", "\0.md.md", "x" * 200 + "/y.md",
    ".htaccess.md", "...md", "..md.md", " .md.md", ".md.md ", ". .x.md", "-rf.md", "--help.md",
    "*.md", "a.md.", "a.md ", "a.md/", "a.md\\", "a.md/.", "a.md/..", "..", ".", "", " ", "/", "\\",
    ".md", "..md", "/.md", "a" * 300 + ".md", "é" * 199 + ".md", "\U0001f600" * 150 + ".md",
    "a.php", "a.md.php", "a.md::$DATA", "a.md:stream", "a.svg", "a.exe", "a.MD", "incoming/x.md",
    "ab/" + "a" * 64, "a" * 64 + ".md", "{{7*7}}.md", "${jndi:x}.md", "<script>1</script>.md",
    "' OR 1=1 --.md", "=cmd|'/c calc'!A1.md", "%00.md", "%2e%2e%2fx.md", "\u2024\u2024/x.md",
    "\uff0e\uff0e\uff0fx.md", "\u2215etc\u2215x.md", "..\u2216x.md", "..\u29f5x.md",
]  # fmt: skip


@pytest.fixture(autouse=True)
def folder(tmp_path, settings):
    folder = tmp_path / "server" / "uploads"
    folder.mkdir(parents=True)
    return keep_uploads_in(folder, settings)


@pytest.fixture
def corpus():
    return Corpus.objects.create(slug="papers", name="Papers", is_public=True)


@pytest.fixture
def source(corpus):
    return uploads.upload_source(corpus)


def name_on_disk(text):
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"{digest[:2]}/{digest}"


# What a file is called


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("notes.md", "notes.md"),
        ("Größe 東京 नमस्ते.md", "Größe 東京 नमस्ते.md"),
        ("Gro\u0308\u00dfe.md", "Größe.md"),
        ("C:\\papers\\2024\\one.md", "one.md"),
        ("papers/one.md", "one.md"),
        ("  a \t b .md", "a b .md"),
        ("invoice\u202egnp.md", "invoicegnp.md"),
        ("100%.md", "100_.md"),
        ("what?.md", "what_.md"),
        ("con.md", "_con.md"),
        (".hidden.md", "hidden.md"),
        ("report.PDF", "report.PDF"),
    ],
)
def test_a_name_is_made_harmless_and_stays_readable(name, key):
    assert key_of(name) == key
    assert key_of(key) == key


def test_there_are_enough_hostile_names():
    assert len(set(HOSTILE_NAMES)) >= 100


def test_a_hostile_name_reaches_nothing_but_the_storage(source, folder, tmp_path):
    (tmp_path / "passwd.md").write_text("as before")
    before = tree(tmp_path)
    taken = set()

    for number, name in enumerate(HOSTILE_NAMES):
        text = f"text {number}"
        try:
            (upload,) = store(source, [given(name, text)], by="eve")
        except Refused as error:
            assert error.name == name
            continue
        taken.add(upload.stored_as)
        assert upload.stored_as == name_on_disk(text), name
        assert upload.key == key_of(upload.key), name
        assert not set(upload.key) & set('/\\<>:"|?*%\0\r\n\t\u202e\u200b\ufeff'), name
        assert not upload.key.startswith("."), name
        assert len(quote(f"/read/{source.slug}/{upload.key}")) < 1000, name

    now = tree(tmp_path)
    assert {path: now.get(path) for path in before} == before
    assert all(Path(path).is_relative_to(folder) for path in now.keys() - before.keys())
    assert set(stored_files(folder)) <= taken  # the younger of two with one key replaced the other
    assert 50 < len(taken) < len(HOSTILE_NAMES)


# What is stored


def test_a_file_is_stored_under_a_name_made_of_its_content(source, folder):
    (upload,) = store(source, [given("lamp.md")], by="eve")

    assert upload.stored_as == name_on_disk(LAMP)
    assert (folder / upload.stored_as).read_text() == LAMP
    assert (upload.key, upload.size, upload.uploaded_by) == ("lamp.md", len(LAMP), "eve")
    assert upload.sha256 == hashlib.sha256(LAMP.encode()).hexdigest()


def test_nobody_else_on_the_machine_may_read_it(source, folder):
    (upload,) = store(source, [given("lamp.md")], by="eve")

    path = folder / upload.stored_as
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_the_same_content_is_stored_once_whatever_it_is_called(source, folder, corpus):
    other = Source.objects.create(corpus=corpus, slug="other", kind="upload", location="other")

    store(source, [given("a.md"), given("b.md")], by="eve")
    store(other, [given("a.md")], by="eve")

    assert stored_files(folder) == [name_on_disk(LAMP)]
    assert Upload.objects.count() == 3


def test_a_file_of_the_same_name_takes_the_place_of_the_older_one(source, folder):
    store(source, [given("lamp.md", "old")], by="eve")
    store(source, [given("lamp.md", "new")], by="adam")

    upload = Upload.objects.get()
    assert (upload.stored_as, upload.uploaded_by) == (name_on_disk("new"), "adam")
    assert stored_files(folder) == [name_on_disk("new")]


def test_an_old_file_stays_as_long_as_another_row_names_it(source, folder):
    store(source, [given("a.md", "old"), given("b.md", "old")], by="eve")

    store(source, [given("a.md", "new")], by="eve")

    assert stored_files(folder) == sorted([name_on_disk("old"), name_on_disk("new")])


def test_uploading_lifts_a_tombstone_and_no_other(source):
    for key in ("lamp.md", "horn.md"):
        Tombstone.objects.create(source=source, key=key)

    store(source, [given("lamp.md")], by="eve")

    assert Tombstone.objects.get().key == "horn.md"


def test_a_large_file_passes_through_in_pieces(source, monkeypatch):
    file, longest = given("large.md", b"x" * 3_000_000), 0
    read = file.file.read

    def measured(size=-1):
        nonlocal longest
        piece = read(size)
        longest = max(longest, len(piece))
        return piece

    monkeypatch.setattr(file.file, "read", measured)
    monkeypatch.setattr(type(file), "chunks", lambda self, size=None: iter(
        lambda: self.file.read(size or 65_536), b""))  # as of a file on disk  # fmt: skip
    (upload,) = store(source, [file], by="eve")

    assert upload.size == 3_000_000
    assert longest <= 65_536


def test_a_corpus_has_one_source_for_uploads_made_on_first_use(corpus):
    Source.objects.create(corpus=corpus, slug="papers-uploads", location="/somewhere")

    first = uploads.upload_source(corpus)

    assert (first.slug, first.kind) == ("papers-uploads-2", "upload")
    assert uploads.upload_source(corpus) == first


# What is refused


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ([], "There is no file"),
        ([given("a.md"), given("a.exe")], r"not a kind of document.*\.md"),
        ([given("a.md"), given("x/a.md")], 'Two files are called "a.md"'),
        ([given("a.md"), given("b.md", "")], "empty"),
        ([given("a.md"), given("n" * 300 + ".md")], "too long"),
        ([given(f"{n}.md") for n in range(4)], "At most 3 files"),
    ],
    ids=["none", "suffix", "twice", "empty", "long", "many"],
)
def test_all_are_taken_or_none(source, folder, settings, files, reason):
    settings.UPLOAD_MAX_FILES = 3
    with pytest.raises(Refused, match=reason):
        store(source, files, by="eve")
    assert not Upload.objects.exists()
    assert stored_files(folder) == []


def test_a_file_over_the_limit_is_refused_whatever_size_it_claims(source, folder, settings):
    settings.UPLOAD_MAX_BYTES = 1000
    file = given("large.md", "x" * 1001)
    file.size = 10

    with pytest.raises(TooLarge, match="more than 1,000 bytes"):
        store(source, [given("small.md", "x" * 1000), file], by="eve")

    assert not Upload.objects.exists()
    assert stored_files(folder) == []


def test_files_may_have_as_much_together_as_one_upload_may_and_no_byte_more(
    source, folder, settings
):
    settings.UPLOAD_MAX_TOTAL_BYTES = 3000
    files = [given("a.md", "a" * 1000), given("b.md", "b" * 2000), given("c.md", "c")]
    for file in files:
        file.size = 10  # whatever they claim

    with pytest.raises(TooLarge, match="Together they have more than 3,000 bytes") as refused:
        store(source, files, by="eve")
    assert refused.value.in_full == str(refused.value)  # it is no single one
    assert not Upload.objects.exists()
    assert stored_files(folder) == []

    assert len(store(source, files[:2], by="eve")) == 2


@pytest.mark.parametrize("step", ["os.fsync", "os.replace"])
def test_a_full_disk_leaves_nothing_behind(source, folder, monkeypatch, step):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(f"documents.uploads.{step}", full)
    with pytest.raises(NotStored, match="No space left on device"):
        store(source, [given("lamp.md")], by="eve")
    assert not Upload.objects.exists()
    assert stored_files(folder) == []


# Stopped half-way


class Stopped(BaseException):
    pass


@pytest.fixture
def stop_at(monkeypatch):
    def stop(name):
        def failpoint(passed):
            if passed == name:
                raise Stopped

        monkeypatch.setattr("documents.uploads.failpoint", failpoint)

    return stop


def test_stopped_before_the_row_there_is_a_file_that_can_be_found(source, folder, stop_at):
    stop_at("upload.stored")
    with pytest.raises(Stopped):
        store(source, [given("lamp.md")], by="eve")

    assert not Upload.objects.exists()
    assert uploads.orphan_files() == []  # too young: it might be on its way
    assert uploads.orphan_files(older_than=timedelta(0)) == [name_on_disk(LAMP)]


def test_stopped_after_the_row_there_is_nothing_to_repair(source, folder, stop_at):
    stop_at("upload.recorded")
    with pytest.raises(Stopped):
        store(source, [given("lamp.md")], by="eve")

    assert uploads.missing_files() == uploads.orphan_files(older_than=timedelta(0)) == []


# For `reconcile`


def test_what_was_left_half_written_is_an_orphan_too(source, folder):
    store(source, [given("lamp.md")], by="eve")
    left = folder / "incoming" / "0123"
    left.parent.mkdir(exist_ok=True)
    left.write_text("half")
    two_hours_ago = (timezone.now() - timedelta(hours=2)).timestamp()
    os.utime(left, (two_hours_ago, two_hours_ago))

    assert uploads.orphan_files() == ["incoming/0123"]
    assert uploads.remove_file("incoming/0123")
    assert stored_files(folder) == [name_on_disk(LAMP)]


def test_a_file_that_a_row_names_is_never_removed(source, folder):
    (upload,) = store(source, [given("lamp.md")], by="eve")
    assert uploads.remove_file(upload.stored_as)
    assert stored_files(folder) == [upload.stored_as]


def test_a_row_without_its_file_is_found(source, folder):
    _kept, lost = store(source, [given("a.md", "a"), given("b.md", "b")], by="eve")
    (folder / lost.stored_as).unlink()
    assert uploads.missing_files() == [lost]


def test_before_the_first_upload_there_is_nothing_to_find():
    assert uploads.orphan_files() == uploads.missing_files() == []


# At the same time


def test_no_row_ever_loses_its_file_to_somebody_elses_removal(corpus, folder):
    """Two sources change between the same two contents: each removes what the other just stores."""
    sources = [
        Source.objects.create(corpus=corpus, slug=slug, kind="upload", location=slug)
        for slug in ("one", "two")
    ]
    errors = []

    def change_all_the_time(source):
        try:
            for number in range(30):
                store(source, [given("lamp.md", f"content {number % 2}")], by="eve")
                upload = source.uploads.get()
                assert (folder / upload.stored_as).exists(), number
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=change_all_the_time, args=(s,)) for s in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert uploads.missing_files() == uploads.orphan_files(older_than=timedelta(0)) == []


# As a source


def test_a_source_of_uploads_reads_what_was_uploaded(source):
    store(source, [given("b c#d.md", "# B\n"), given("a.md", "# A\n")], by="eve")

    a, b = UploadLoader(source).load()

    assert (a.key, a.content, a.media_type) == ("a.md", b"# A\n", "text/markdown")
    assert b.url == "/read/papers-uploads/b%20c%23d.md"
    assert list(UploadLoader(source).paths()) == ["a.md", "b c#d.md"]


def test_a_source_with_an_address_of_its_own_uses_it(source):
    source.base_url = "https://papers.example.org/files"
    store(source, [given("a.md")], by="eve")
    (document,) = UploadLoader(source).load()
    assert document.url == "https://papers.example.org/files/a.md"


def test_a_source_without_uploads_is_no_error(source):
    assert list(UploadLoader(source).load()) == []


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (Path.unlink, "missing from the stored uploads; upload it again"),
        (lambda path: path.write_text("other"), "is damaged; upload it again"),
    ],
    ids=["lost", "damaged"],
)
def test_a_file_that_is_not_what_was_uploaded_is_an_error_of_its_document(
    source, folder, damage, message
):
    _good, bad = store(source, [given("good.md", "# G\n"), given("z.md", "# B\n")], by="eve")
    damage(folder / bad.stored_as)

    first, second = UploadLoader(source).load()

    assert first.key == "good.md"
    assert isinstance(second, LoadError)
    assert (second.key, second.retryable) == ("z.md", False)
    assert message in str(second)


def test_a_key_that_nobody_uploaded_is_an_error(source):
    with pytest.raises(LoadError, match=r"nobody uploaded gone\.md"):
        UploadLoader(source).read("gone.md")


# The file behind a document


@pytest.fixture
def paper(source):
    store(source, [given("the paper.pdf", b"%PDF-1.7 " + b"x" * 200_000)], by="eve")
    url = f"/read/{source.slug}/the%20paper.pdf"
    document, chunks = publish(source, "the paper.pdf", ["one", "two", "three"], ["A"], url=url)
    for chunk, anchor in zip(chunks, ("page=1", "page=2", "page=2"), strict=True):
        type(chunk).objects.filter(pk=chunk.pk).update(anchor=anchor)
    return document


def test_the_page_of_an_upload_has_its_anchors_and_leads_to_its_file(paper, client):
    page = client.get("/read/papers-uploads/the%20paper.pdf").content.decode()

    assert page.count('id="page=1"') == page.count('id="page=2"') == 1
    assert page.count("<h1") == 1
    assert "Page 2" in page
    assert f'href="/api/v1/documents/{paper.pk}/file/" download' in page


def test_a_document_that_was_not_uploaded_has_no_file(corpus, client):
    folder = Source.objects.create(corpus=corpus, slug="docs", location="/docs")
    document, _ = publish(folder, "a.md", ["one"], url="/read/docs/a")

    assert "Original file" not in client.get("/read/docs/a").content.decode()
    assert client.get(f"/api/v1/documents/{document.pk}/file/").status_code == 404


async def test_a_file_is_saved_and_never_shown(paper, async_client):
    answer = await async_client.get(f"/api/v1/documents/{paper.pk}/file/")
    pieces = [piece async for piece in answer.streaming_content]

    assert answer.status_code == 200
    assert answer.headers["Content-Disposition"] == 'attachment; filename="the paper.pdf"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert len(pieces) > 1
    assert b"".join(pieces) == b"%PDF-1.7 " + b"x" * 200_000


def test_a_file_is_for_those_who_may_read_its_document(paper, client):
    address = f"/api/v1/documents/{paper.pk}/file/"
    Corpus.objects.update(is_public=False)
    assert client.get(address).status_code == 404

    reader = User.objects.create_user("joe")
    reader.user_permissions.add(Permission.objects.get(codename="view_corpus"))
    client.force_login(reader)
    assert client.get(address).status_code == 200
    Document.objects.all().set_status(Document.Status.WITHDRAWN)
    assert client.get(address).status_code == 404


def test_a_file_that_is_lost_says_so(paper, client, folder):
    (folder / Upload.objects.get().stored_as).unlink()
    answer = client.get(f"/api/v1/documents/{paper.pk}/file/")
    assert (answer.status_code, answer.json()["code"]) == (404, "file_missing")
