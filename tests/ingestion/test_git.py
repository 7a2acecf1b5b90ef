"""A Git repository over HTTP: which files it gives, and what it cannot do to us."""

import threading
import wsgiref.simple_server
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from dulwich.objects import Blob, Commit, Tag, Tree
from dulwich.repo import MemoryRepo
from dulwich.server import DictBackend
from dulwich.web import HTTPGitApplication

import ingestion.loaders.git as git
from ingestion.fetching import Fetcher
from ingestion.loaders.base import LoadError
from ingestion.loaders.git import GitLoader
from tests.standins.base import Reply
from tests.websites import Website, redirect

WHEN = 1_770_000_000
FILE, LINK, MODULE = 0o100644, 0o120000, 0o160000
PAGES = {"README.md": "# Read me\n", "docs/a.md": "# A\n", "docs/deep/b.md": "# B\n"}


class Repository:
    """A repository in memory. Trees are made by hand, so that they can hold anything."""

    def __init__(self):
        self.repo = MemoryRepo()

    def tree(self, files, mode=FILE):
        """Nested by slashes, unless a name is bytes; a value may bring its mode."""
        tree, folders = Tree(), {}
        for name, content in files.items():
            head, slash, rest = name.partition("/") if isinstance(name, str) else (name, "", "")
            if slash:
                folders.setdefault(head, {})[rest] = content
                continue
            content, kind = content if isinstance(content, tuple) else (content, mode)
            blob = Blob.from_string(content.encode())
            self.repo.object_store.add_object(blob)
            tree.add(head.encode() if isinstance(head, str) else head, kind, blob.id)
        for name, inner in folders.items():
            tree.add(name.encode(), 0o040000, self.tree(inner).id)
        self.repo.object_store.add_object(tree)
        return tree

    def commit(self, files, ref=b"refs/heads/main", tree=None):
        commit = Commit()
        commit.tree = (tree or self.tree(files)).id
        commit.author = commit.committer = b"A <a@example.org>"
        commit.author_time = commit.commit_time = WHEN
        commit.author_timezone = commit.commit_timezone = 0
        commit.message = b"Change"
        self.repo.object_store.add_object(commit)
        self.repo.refs[ref] = commit.id
        if ref == b"refs/heads/main":
            self.repo.refs.set_symbolic_ref(b"HEAD", ref)
        return commit.id.decode()

    def tag(self, name, commit):
        tag = Tag()
        tag.name, tag.object = name.encode(), (Commit, commit.encode())
        tag.tagger, tag.tag_time, tag.tag_timezone = b"A <a@example.org>", WHEN, 0
        tag.message = b"Release"
        self.repo.object_store.add_object(tag)
        self.repo.refs[b"refs/tags/" + name.encode()] = tag.id


class Quiet(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, *args):
        pass


@contextmanager
def served(repository):
    """Its address, and the paths that were asked for."""
    asked = []
    application = HTTPGitApplication(DictBackend({"/project": repository.repo}))

    def recorded(environ, start_response):
        asked.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}")
        return application(environ, start_response)

    server = wsgiref.simple_server.make_server("127.0.0.1", 0, recorded, handler_class=Quiet)
    thread = threading.Thread(target=server.serve_forever, args=[0.01], daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/project", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@pytest.fixture
def repository():
    made = Repository()
    made.commit(PAGES)
    return made


@pytest.fixture
def clone(repository, tmp_path):
    """A loader over the repository; `asked` is what it asked the server for."""
    with served(repository) as (url, asked):

        def clone(address=url, **options):
            allowed = url.removeprefix("http://").removesuffix("/project")
            fetcher = Fetcher(allowed_addresses=[allowed])
            return GitLoader(
                address, cache=tmp_path / "git", fetcher=fetcher, base_url="https://d.test/",
                **options,
            )  # fmt: skip

        clone.asked = asked
        yield clone


def test_the_default_branch_is_read_like_a_folder(clone, repository):
    loader = clone()
    assert list(loader.paths()) == ["README.md", "docs/a.md", "docs/deep/b.md"]
    raw = loader.read("docs/a.md")
    assert raw.content == b"# A\n"
    assert raw.url.startswith("https://d.test/docs/a")
    assert raw.modified_at == datetime.fromtimestamp(WHEN, UTC)
    assert loader.commit == repository.repo.refs[b"refs/heads/main"].decode()


def test_large_files_and_changes_to_them_arrive_whole(clone, repository):
    large = "".join(f"Line {number} of many.\n" for number in range(50_000))
    repository.commit({"a.md": large, "b.md": large + "One more.\n", "c.md": ""})
    assert clone().read("b.md").content == (large + "One more.\n").encode()


def test_a_sub_folder_may_be_given(clone):
    assert list(clone(folder="/docs/").paths()) == ["a.md", "deep/b.md"]
    with pytest.raises(LoadError, match='no folder "nowhere"'):
        list(clone(folder="nowhere").paths())
    with pytest.raises(LoadError, match="no folder"):
        list(clone(folder="README.md").paths())


def test_a_branch_or_a_tag_may_be_given(clone, repository):
    older = repository.commit({"old.md": "# Old\n"}, b"refs/heads/older")
    repository.tag("v1", older)
    for ref in ("older", "v1"):
        loader = clone(ref=ref)
        assert list(loader.paths()) == ["old.md"]
        assert loader.commit == older
    with pytest.raises(LoadError, match='no branch and no tag "v2"'):
        list(clone(ref="v2").paths())


def test_a_commit_that_is_there_is_not_fetched_again(clone):
    assert list(clone().paths())
    fetched = clone.asked.count("POST /project/git-upload-pack")
    assert list(clone().paths())
    assert clone.asked.count("POST /project/git-upload-pack") == fetched == 1


def test_a_new_commit_takes_the_place_of_the_old(clone, repository, tmp_path, monkeypatch):
    assert list(clone().paths())
    repository.commit({"new.md": "# New\n"})
    monkeypatch.setattr(git, "SECONDS", -1.0)  # nobody else is at work
    assert list(clone().paths()) == ["new.md"]
    assert len(list((tmp_path / "git").iterdir())) == 1


def test_what_a_killed_fetch_left_is_not_taken_for_the_files(clone, tmp_path):
    (tmp_path / "git" / "fetching-dead" / "files").mkdir(parents=True)
    assert len(list(clone().paths())) == 3


def test_only_what_is_needed_of_the_history_is_fetched(repository, clone):
    for number in range(50):
        repository.commit({"page.md": f"# Page {number}\n" * 100})
    loader = clone()
    assert loader.read("page.md").content.startswith(b"# Page 49")


# --- A hostile repository ---


def written(folder: Path):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_links_and_submodules_are_left_out(clone, repository):
    repository.commit(
        {"page.md": "# Page", "secret.md": ("/etc/passwd", LINK), "up": ("..", LINK),
         "module": ("x", MODULE)}
    )  # fmt: skip
    loader = clone()
    assert list(loader.paths()) == ["page.md"]
    assert set(loader.skipped) == {"secret.md", "up", "module"}
    assert written(loader.files.root) == ["page.md"]


@pytest.mark.parametrize(
    "name",
    [b"../out.md", b"..", b".", b"/etc/out.md", b".git", b".GIT", b"git~1", b".git\x20", b"a//b",
     ".g\u200cit".encode(), b"a\\..\\b", b"\xff\xfe.md", b"sub/../../out.md", b".git/config"],
)  # fmt: skip
def test_a_name_that_leads_out_of_the_folder_is_not_written(clone, repository, tmp_path, name):
    tree = Tree()
    for entry in (b"page.md", name):
        blob = Blob.from_string(b"# Page")
        repository.repo.object_store.add_object(blob)
        tree.add(entry, FILE, blob.id)
    repository.repo.object_store.add_object(tree)
    repository.commit({}, tree=tree)
    loader = clone()
    assert list(loader.paths()) == ["page.md"]
    assert written(loader.files.root) == ["page.md"]
    assert len(loader.skipped) == 1
    assert not list(tmp_path.glob("*.md"))


def test_hooks_and_attributes_do_nothing(clone, repository, tmp_path):
    repository.commit(
        {"page.md": "# Page", ".gitattributes": "*.md filter=evil\n", ".gitmodules": "[x]\n",
         ".gitconfig": f'[filter "evil"]\nsmudge = touch {tmp_path}/evil\n'}
    )  # fmt: skip
    assert clone().read("page.md").content == b"# Page"
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize(
    ("limit", "value"), [("FILES", 2), ("TOTAL_BYTES", 300), ("FILE_BYTES", 40)]
)
def test_a_repository_that_is_too_large_is_refused(clone, monkeypatch, tmp_path, limit, value):
    monkeypatch.setattr(git, limit, value)
    with pytest.raises(LoadError, match="more than"):
        list(clone().paths())
    assert list((tmp_path / "git").iterdir()) == []


def test_a_file_that_unfolds_to_much_more_is_refused_before_it_does(clone, repository):
    repository.commit({"page.md": "# Page", "bomb.md": "\0" * 60_000_000})
    with pytest.raises(LoadError, match="bytes in one file"):
        list(clone().paths())


def test_a_pack_that_is_too_large_is_refused(clone, monkeypatch):
    monkeypatch.setattr(git, "PACK_BYTES", 300)
    with pytest.raises(LoadError, match="more than the 300 bytes"):
        list(clone().paths())


def test_a_folder_that_holds_itself_a_million_times_is_refused(clone, repository, monkeypatch):
    monkeypatch.setattr(git, "FILES", 100)
    tree = repository.tree({"page.md": "# Page"})
    for _level in range(8):
        outer = Tree()
        for number in range(10):
            outer.add(f"d{number}".encode(), 0o040000, tree.id)
        repository.repo.object_store.add_object(outer)
        tree = outer
    repository.commit({}, tree=tree)
    with pytest.raises(LoadError, match="more than"):
        list(clone().paths())


# --- A server that is none ---


@pytest.mark.parametrize(
    "url",
    ["git@github.com:a/b.git", "ssh://host/a", "git://host/a", "http://example.org/a", "file:///a",
     "/srv/a", "https://user:secret@example.org/a", ""],
)  # fmt: skip
def test_only_https_addresses_are_read(tmp_path, url):
    with pytest.raises(LoadError, match="https address"):
        GitLoader(url, cache=tmp_path, fetcher=Fetcher())


@pytest.mark.parametrize("ref", ["../main", "--upload-pack=x", "a b", "refs/../x", "a\nb"])
def test_a_ref_is_a_name(tmp_path, ref):
    with pytest.raises(LoadError, match="not the name of a branch"):
        GitLoader("https://example.org/a", cache=tmp_path, fetcher=Fetcher(), ref=ref)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(401), "Private repositories are not read"),
        (Reply(403), "Private repositories are not read"),
        (Reply(404), "it does not exist, or it is private"),
        (Reply(200, {"content-type": "text/html"}, (b"<h1>Hello</h1>",)), "no Git repository"),
        (redirect("http://127.0.0.1:9/x"), "may not be fetched"),
        (redirect("file:///etc/passwd"), "may not be fetched"),
    ],
)
def test_what_is_no_repository_is_told_in_plain_words(tmp_path, reply, words):
    with Website({"/a/info/refs": reply}) as site, pytest.raises(LoadError, match=words) as error:
        list(GitLoader(f"{site.url}/a", cache=tmp_path, fetcher=site.fetcher()).paths())
    assert not error.value.retryable


@pytest.mark.parametrize(
    "body",
    [b"", b"0000", b"nonsense", b"001e# service=git-upload-pack\n0000", b"ffff" * 100,
     b"000eversion 2\n0000"],
)  # fmt: skip
def test_nonsense_from_a_server_is_an_error_of_the_source(tmp_path, body):
    kind = "application/x-git-upload-pack-advertisement"
    reply = Reply(200, {"content-type": kind}, (body,))
    with Website({"/a/info/refs": reply}) as site, pytest.raises(LoadError):
        list(GitLoader(f"{site.url}/a", cache=tmp_path, fetcher=site.fetcher()).paths())


def test_a_server_in_trouble_may_be_asked_again(tmp_path):
    with Website({"/a/info/refs": Reply(503)}) as site, pytest.raises(LoadError) as error:
        list(GitLoader(f"{site.url}/a", cache=tmp_path, fetcher=site.fetcher()).paths())
    assert error.value.retryable
