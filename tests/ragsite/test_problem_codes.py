"""One list of codes: what the source can say, what the description says, what docs/api.md says."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from documents.problem_codes import CODES
from tests.processes import ROOT

# Where the code stands among the arguments of what makes an error.
PLACES = {"Problem": 1, "problem": 1, "Error": 0, "_failed": 1}
OF_FRAMES = {"chat/consumers.py"}  # the websocket's own, beside those of the answers
ROW = re.compile(r"^\| `([a-z_]+)` \| (.+) \|$", re.MULTILINE)


def calls(path: Path) -> Iterator[ast.expr]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            place = PLACES.get(name)
            if place is not None and len(node.args) > place:
                yield node.args[place]


def codes_in_the_source() -> set[str]:
    found = set()
    for app in ("chat", "documents", "ingestion", "ragsite"):
        for path in (ROOT / app).rglob("*.py"):
            if str(path.relative_to(ROOT)) in OF_FRAMES or path.name == "checks.py":
                continue
            for code in calls(path):
                if isinstance(code, ast.Constant) and re.fullmatch("[a-z_]+", str(code.value)):
                    found.add(code.value)
    return found


def test_no_error_has_a_code_that_is_not_listed():
    found = codes_in_the_source()
    assert {"unknown_corpus", "idempotency_key_reused", "rate_limited", "too_slow"} <= found
    # Those of the model client, which have "model_" in front of them on the way.
    assert {code for code in found - CODES.keys() if f"model_{code}" not in CODES} == set()


def test_the_page_lists_the_codes_with_their_meanings():
    section = (ROOT / "docs" / "api.md").read_text().partition("\n## Errors\n")[2]
    assert dict(ROW.findall(section.partition("\n## ")[0])) == CODES
