"""Each step that writes has a named failpoint, and each name on the list is passed somewhere."""

import ast
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from documents.failpoints import FAILPOINTS, failpoint

ROOT = Path(__file__).resolve().parent.parent
MODULES = [
    path
    for package in ("documents", "ingestion")
    for path in sorted((ROOT / package).rglob("*.py"))
    if "migrations" not in path.parts and path.name != "failpoints.py"
]
# Functions whose writes are steps of ingestion, deletion, reindexing or repair: calls by these
# names change rows, points or files.
WRITES = {"publish_state", "mark_indexed", "bulk_create", "upsert", "drain", "_converge", "finish"}
STEPS = ("ingestion/pipeline.py", "ingestion/runs.py")


def passed(tree):
    return [
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "failpoint"
    ]


def test_every_name_on_the_list_is_passed_and_every_name_passed_is_on_the_list():
    names = Counter(name for path in MODULES for name in passed(ast.parse(path.read_text())))
    assert set(names) == set(FAILPOINTS)


def test_there_are_enough_of_them():
    assert len(FAILPOINTS) >= 20


@pytest.mark.parametrize("path", STEPS)
def test_a_function_that_writes_passes_a_failpoint(path):
    """Add a step without one, and this fails."""
    functions = [
        node for node in ast.walk(ast.parse((ROOT / path).read_text()))
        if isinstance(node, ast.FunctionDef)
    ]  # fmt: skip
    bare = [function.name for function in functions if writes(function) and not passed(function)]
    assert bare == []


def writes(function):
    calls = [node.func for node in ast.walk(function) if isinstance(node, ast.Call)]
    return any(getattr(call, "attr", "") in WRITES for call in calls)


def test_nothing_happens_unless_the_settings_name_the_place(settings):
    settings.FAILPOINT = ""
    for name in FAILPOINTS:
        failpoint(name)
    settings.FAILPOINT = "publish.committed:2"
    failpoint("publish.writing")
    failpoint("publish.committed")  # only the second time


@pytest.mark.parametrize(("setting", "passes"), [("run.started", 1), ("run.started:3", 3)])
def test_the_process_is_killed_where_the_settings_say(setting, passes):
    code = (
        "import django; django.setup();"
        "from documents.failpoints import failpoint;"
        "print('ready', flush=True);"
        "[print(failpoint('run.started'), flush=True) for _ in range(9)]"
    )
    environment = {**os.environ, "FAILPOINT": setting, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert ended.returncode == -signal.SIGKILL
    assert ended.stdout.split() == ["ready", *["None"] * (passes - 1)]
