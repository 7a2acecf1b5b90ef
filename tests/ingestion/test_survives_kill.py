"""kill -9 in the middle of `ingest`, at several moments: run again, equal to an undisturbed run."""

import shutil
import sqlite3
from contextlib import closing

import pytest
from django.conf import settings

from documents.embedding.bundled import lean_graph
from tests.processes import environment, manage, manage_until_killed

PAGES, SECTIONS = 48, 8  # four times what is embedded at once, so that there is a middle


def page(number, word="calm"):
    sections = (
        f"## Watch {section}\n\nIn watch {section} of day {number} the sea was {word} and the "
        f"keeper counted {number * section} ships.\n"
        for section in range(SECTIONS)
    )
    return f"# Day {number}\n\n" + "\n".join(sections)


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """A folder of pages; the model is built before any clock or kill runs."""
    lean_graph(settings.MODEL_DIR)
    folder = tmp_path_factory.mktemp("log")
    for number in range(PAGES):
        (folder / f"{number:02}.md").write_text(page(number))
    return folder


@pytest.fixture(scope="module")
def migrated(tmp_path_factory):
    """A database with nothing in it; migrating once is enough."""
    path = tmp_path_factory.mktemp("migrated") / "db.sqlite3"
    done = manage("migrate", "--verbosity=0", env=environment(DATABASE_URL=f"sqlite:///{path}"))
    assert done.returncode == 0, done.stderr
    return path


def new_installation(folder, migrated):
    """The environment of an installation of its own, with an empty database."""
    folder.mkdir()
    (folder / "models").symlink_to(settings.MODEL_DIR)
    copied = shutil.copy(migrated, folder)
    return environment(VAR_DIR=str(folder), DATABASE_URL=f"sqlite:///{copied}")


def stored(env):
    """Chunks, which of them have a vector, and documents, as the database has them."""
    queries = (
        "SELECT id, text, position, line_start FROM documents_chunk ORDER BY id",
        "SELECT chunk_id, space, length(vector) FROM documents_chunkvector ORDER BY 1, 2",
        "SELECT key, fingerprint, space, status FROM documents_document ORDER BY key",
    )
    path = env["DATABASE_URL"].removeprefix("sqlite:///")
    with closing(sqlite3.connect(path)) as database:
        return [database.execute(query).fetchall() for query in queries]


def ingest(log, env):
    done = manage("ingest", log, "--json", env=env)
    assert done.returncode == 0, done.stderr
    return done


def ingest_killed(log, env, after_items):
    return list(manage_until_killed("ingest", log, "--json", env=env, after_items=after_items))


@pytest.fixture(scope="module")
def undisturbed(log, migrated, tmp_path_factory):
    env = new_installation(tmp_path_factory.mktemp("undisturbed") / "var", migrated)
    ingest(log, env)
    assert [len(rows) for rows in stored(env)] == [PAGES * SECTIONS, PAGES * SECTIONS, PAGES]
    return stored(env)


@pytest.fixture
def installation(migrated, tmp_path):
    return new_installation(tmp_path / "var", migrated)


@pytest.mark.parametrize("after_items", [1, 14, 26])
def test_killed_once(log, installation, undisturbed, after_items):
    ingest_killed(log, installation, after_items)
    assert stored(installation) != undisturbed
    ingest(log, installation)
    assert stored(installation) == undisturbed


def test_killed_twice(log, installation, undisturbed):
    ingest_killed(log, installation, after_items=2)
    ingest_killed(log, installation, after_items=9)
    ingest(log, installation)
    assert stored(installation) == undisturbed


def test_killed_while_pages_are_changed_and_removed(log, installation, tmp_path):
    before = tmp_path / "before"
    before.mkdir()
    for number in range(PAGES + 3):
        (before / f"{number:02}.md").write_text(page(number))
    ingest(before, installation)
    for number in range(PAGES + 3):
        (before / f"{number:02}.md").write_text(page(number, "rough"))
    ingest_killed(before, installation, after_items=13)
    for number in range(PAGES, PAGES + 3):
        (before / f"{number:02}.md").unlink()
    ingest(before, installation)

    chunks, vectors, documents = stored(installation)
    assert len(chunks) == len(vectors) == PAGES * SECTIONS
    assert {"rough" in text for _, text, _, _ in chunks} == {True}
    assert len(documents) == PAGES
    assert all(space for _, _, space, _ in documents)


def test_a_killed_run_is_no_hindrance_and_stays_on_record(log, installation):
    ingest_killed(log, installation, after_items=1)
    ingest(log, installation)
    path = installation["DATABASE_URL"].removeprefix("sqlite:///")
    with closing(sqlite3.connect(path)) as database:
        runs = database.execute("SELECT status FROM ingestion_ingestionrun ORDER BY id").fetchall()
    assert runs == [("failed",), ("succeeded",)]
