"""Another process ingests, withdraws and deletes; the next search of this one sees it."""

import pytest
from asgiref.sync import async_to_sync

from chat.retrieval import Retriever
from documents.index.base import IndexQuery
from documents.index.sparse import encode_query
from documents.models import Chunk, Corpus
from documents.providers import get_index
from documents.scope import Scope
from tests.processes import manage, same_database


@pytest.fixture
def search(corpus):
    """Search the way a server does, in a replica that was filled before anything happened."""
    retriever = Retriever.from_settings()
    scope = Scope(frozenset(Corpus.objects.values_list("pk", flat=True)))

    def texts(query):
        words = IndexQuery(None, encode_query(query, "en"), scope)
        hits = get_index().search_now(words, 50)  # the replica itself knows, not only the rows
        assert len(hits) == len(Chunk.objects.live(scope).passages(hits))
        found = async_to_sync(retriever.search)(query, scope)
        return " ".join(passage.text for passage in found.passages)

    assert "twelve seconds" in texts("How long does the lamp take to turn?")
    return texts


def beside(*arguments):
    done = manage(*arguments, env=same_database())
    assert done.returncode == 0, done.stderr


def beside_in_python(code):
    """As the admin does: the index is told of the change."""
    models, index = "from documents.models import *", "from documents.providers import get_index"
    beside("shell", "--verbosity=0", "-c", f"{models}; {index}; {code}; get_index().drain()")


def test_a_page_that_is_ingested_meanwhile_is_found(search, site):
    (site / "horn.md").write_text("# Horn\n\nThe fog horn sounds every ninety seconds.\n")
    assert "ninety seconds" not in search("How often does the fog horn sound?")
    beside("ingest", "site")
    assert "ninety seconds" in search("How often does the fog horn sound?")


def test_a_page_that_is_changed_meanwhile_has_its_new_text(search, site):
    page = site / "guide" / "lamp.md"
    page.write_text(page.read_text().replace("twelve", "fifteen"))
    beside("ingest", "site")
    found = search("How long does the lamp take to turn?")
    assert "fifteen seconds" in found
    assert "twelve seconds" not in found


def test_a_page_that_is_removed_meanwhile_is_gone(search, site):
    (site / "guide" / "lamp.md").unlink()
    beside("ingest", "site")
    assert "lamp turns" not in search("How long does the lamp take to turn?")


def test_a_document_that_is_withdrawn_meanwhile_is_gone_and_comes_back(search):
    chosen = "Document.objects.filter(key='guide/lamp.md')"
    beside_in_python(f"{chosen}.set_status('withdrawn')")
    assert "twelve seconds" not in search("How long does the lamp take to turn?")
    beside_in_python(f"{chosen}.set_status('published')")
    assert "twelve seconds" in search("How long does the lamp take to turn?")


def test_a_source_that_is_deleted_meanwhile_is_gone(search):
    beside_in_python("Source.objects.get(slug='site').delete()")
    assert search("How long does the lamp take to turn?") == ""


def test_a_corpus_may_shrink_and_grow_again(search, site):
    beside_in_python("Source.objects.get(slug='site').delete()")
    beside("ingest", site, "--corpus", "lighthouse")
    assert "twelve seconds" in search("How long does the lamp take to turn?")
    assert Chunk.objects.count() == 8
