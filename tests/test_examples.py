"""docs/examples.md: every block does what its heading says, against a running server."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.core.management import call_command

from chat.models import ApiKey
from documents.models import Corpus
from tests.node import NODE
from tests.processes import ROOT

PAGE = ROOT / "docs" / "examples.md"
HANDBOOK = ROOT / "docs" / "handbook"
READ = ("concepts/chunking.md", "concepts/evidence-gate.md", "curate/deleting.md")
BLOCK = re.compile(r"^```(bash|python|javascript)\n(.*?)^```", re.MULTILINE | re.DOTALL)
RUN = {"bash": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-c"],
       "javascript": [NODE, "--input-type=module", "-e"]}  # fmt: skip
SHOWS = {  # of the section: what any of its blocks writes
    "Ask": "chunk",
    "Stream an answer": "evidence",
    "Search alone": "/read/",
    "Ask once, however often it is sent": "once|chunk",
    "Say what an answer is worth, and take the conversation along": "## Question",
}


class Example(NamedTuple):
    section: str
    language: str
    code: str


def examples() -> list[Example]:
    found = []
    for section in re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)[1:]:
        title = section.partition("\n")[0]
        found += [Example(title, language, code) for language, code in BLOCK.findall(section)]
    return found


def test_each_task_is_shown_in_each_language():
    shown = {(one.section, one.language) for one in examples()}
    assert shown == {(section, language) for section in SHOWS for language in RUN}


@pytest.fixture
def environment(server: str, write_pages: Any) -> dict[str, str]:
    """Of a client; three pages of the handbook are enough to be asked about."""
    pages = {name: (HANDBOOK / name).read_text() for name in READ}
    call_command("ingest", str(write_pages(pages)), corpus="handbook", public=True, json=True)
    key, secret = ApiKey.objects.create_key(name="backend")
    key.corpora.set(Corpus.objects.all())
    return {**os.environ, "BASE": f"{server}/api/v1", "KEY": secret}


@pytest.mark.parametrize("language", RUN)
def test_the_examples_work_as_they_stand(language: str, environment: dict, tmp_path: Path):
    for section, code in [(e.section, e.code) for e in examples() if e.language == language]:
        done = subprocess.run(
            [*RUN[language], code], cwd=tmp_path, capture_output=True, text=True, timeout=60,
            env=environment, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (section, done.stderr)
        assert re.search(SHOWS[section], done.stdout), (section, done.stdout)
