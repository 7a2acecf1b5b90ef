"""What Schemathesis is told of the server under trial: ids that exist, credentials, and a tally.

Loaded by it (SCHEMATHESIS_HOOKS), with CONTRACT_WORLD naming the file that tests.campaigns.contract
has written. Invented ids find nothing; so most requests that are meant to be good get one that is
there. Those of a chain of requests keep theirs.
"""

import atexit
import json
import os
import random
from collections import Counter
from pathlib import Path
from typing import Any

import schemathesis

from tests.hostile import pdfs

WORLD = json.loads(Path(os.environ["CONTRACT_WORLD"]).read_text())
IDS: dict[str, dict[str, list[Any]]] = WORLD["ids"]  # by a part of the path, by parameter
DICE = random.Random(WORLD["seed"])
SHARE = 0.8  # of good requests that get an id of ours
SPARED = 0.1  # the same, of requests that delete: what is there is used up
UPLOAD = "POST /api/v1/documents/"
FILLED_IN = [
    ("corpus", (None, "lighthouse")),
    ("file", ("a.pdf", pdfs.pdf([pdfs.prose("A light above the sea.")]))),
]
tally: Counter[str] = Counter()


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    if case.meta is None or case.meta.phase.name.value == "stateful":
        return
    if case.meta.generation.mode.is_negative:
        return
    if isinstance(case.body, dict) and DICE.random() < SHARE:
        if case.operation.label == UPLOAD:
            kwargs["files"] = FILLED_IN  # files in a body that was changed look invalid to it
        else:
            fill(case)
    if not case.path_parameters:
        return
    share = SPARED if case.method.upper() == "DELETE" else SHARE
    for place, parameters in IDS.items():
        if place in case.operation.path and DICE.random() < share:
            for name, known in parameters.items():
                if name in case.path_parameters and known:
                    case.path_parameters[name] = DICE.choice(known)
            break
    if case.operation.path.endswith("/branch/") and isinstance(case.body, dict):
        conversation = case.path_parameters["conversation_id"]
        case.body["message"] = WORLD["questions"].get(conversation, case.body.get("message"))


def fill(case: Any) -> None:
    """A body's names of things, with names of things that are there."""
    if "corpus" in case.body:
        case.body["corpus"] = "lighthouse"


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    tally[f"{case.operation.label}\t{case.method.upper()}\t{response.status_code}"] += 1


@atexit.register
def write() -> None:
    Path(WORLD["tally"]).write_text(json.dumps(tally))
