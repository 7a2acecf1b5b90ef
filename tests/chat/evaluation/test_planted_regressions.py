"""The thresholds of CI are worth something: with a part broken on purpose they are not met."""

import io
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from chat import evidence
from documents.index.sparse import SparseVector
from ingestion.chunking import chunk_by_section
from tests.processes import ROOT

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("quality")]


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Path:
    """The vectors of the handbook, made once."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture
def quality(transactional_db, kept, monkeypatch):
    """Run what CI runs, in this process."""
    monkeypatch.chdir(ROOT)
    script = (ROOT / ".ci" / "quality").read_text().replace("\\\n", " ")
    (command,) = re.findall(r"manage\.py evaluate (.*) \"\$@\"$", script, re.MULTILINE)

    def run() -> None:
        call_command("evaluate", *shlex.split(command), "--keep", str(kept), stdout=io.StringIO())

    return run


def broken(run) -> set[str]:
    """The measures that CI would name."""
    with pytest.raises(CommandError) as raised:
        run()
    return set(re.findall(r"^(\S+) of handbook_questions is", str(raised.value), re.MULTILINE))


def test_as_it_is_all_thresholds_are_met(quality):
    quality()


def test_a_search_without_words_is_noticed(quality, monkeypatch):
    monkeypatch.setattr("chat.retrieval.encode_query", lambda *_: SparseVector((), ()))
    assert {"page@5", "section@5"} & broken(quality)


def test_a_gate_that_stands_open_is_noticed(quality, monkeypatch):
    weigh = evidence.weigh
    monkeypatch.setattr(evidence, "weigh", lambda *a, **k: replace(weigh(*a, **k), enough=True))
    assert "right_abstentions" in broken(quality)


def test_a_gate_that_stays_shut_is_noticed(quality, monkeypatch):
    weigh = evidence.weigh
    monkeypatch.setattr(evidence, "weigh", lambda *a, **k: replace(weigh(*a, **k), enough=False))
    assert "wrong_abstentions" in broken(quality)


def test_chunks_that_lost_their_headings_are_noticed(quality, monkeypatch):
    def headless(*args, **kwargs):
        drafts = chunk_by_section(*args, **kwargs)
        return [
            replace(draft, heading_path=(), anchor="", occurrence=at)
            for at, draft in enumerate(drafts)
        ]

    monkeypatch.setattr("ingestion.pipeline.chunk_by_section", headless)
    assert "section@5" in broken(quality)
