"""Where the services we call surprise whoever does not know them, and the test that we do.

Each of them would pass every test that does not look for it, and fail in production.
"""

import ast
import asyncio
import threading
from dataclasses import dataclass

import pytest

from documents.threads import in_database_thread
from tests.processes import ROOT


@dataclass(frozen=True)
class Trap:
    """`tests` as `path::name`, below tests/. Without any: why there is nothing to be caught in."""

    number: int
    said: str
    tests: tuple[str, ...] = ()
    untouched: str = ""


TRAPS = [
    Trap(
        1, "an idle channel of channels-redis dies with redis-py 8, and 100 at once raise",
        ("contracts/test_traps.py::test_the_client_of_redis_is_none_that_breaks_idle_channels",
         "ragsite/test_channel_layer.py"
         "::test_a_channel_that_was_idle_past_redis_pys_timeout_still_hears",
         "ragsite/test_channel_layer.py::test_more_than_redis_pys_pool_may_use_it_at_once"),
    ),
    Trap(
        2, "a Redis channel layer holds a hundred messages for all sockets of a process",
        ("contracts/test_traps.py::test_no_word_of_an_answer_goes_through_a_channel_layer",),
    ),
    Trap(
        3, "all sockets of a process share one thread for the database",
        ("contracts/test_traps.py::test_sockets_do_not_queue_for_one_thread",
         "chat/test_pipeline.py::test_more_answers_stream_at_once_than_there_are_connections"),
    ),
    Trap(
        4, "a consumer that streams hears neither a stop nor that its reader has left",
        ("chat/test_websocket.py::test_a_ping_is_answered_while_an_answer_streams",
         "chat/test_websocket.py::test_stop_keeps_what_was_shown",
         "chat/test_websocket.py::test_an_answer_outlives_the_socket_that_it_was_asked_on"),
    ),
    Trap(
        5, "Qdrant Cloud refuses filters on fields without an index; the local mode does not",
        ("contracts/test_index_over_the_wire.py"
         "::test_the_collection_is_strict_and_every_field_has_its_index",
         "documents/test_qdrant_index.py::test_every_field_that_is_filtered_has_an_index",
         "standins/test_qdrant_standin.py::test_a_filter_without_an_index_is_refused_everywhere"),
    ),
    Trap(
        6, "a trial key of Cohere ends for the month with a 429 like any other",
        ("contracts/test_cohere_over_the_wire.py::test_the_monthly_stop_is_not_retried",
         "documents/test_cohere_embedder.py::test_a_limit_by_the_month_is_not",
         "contracts/test_cohere_over_the_wire.py"
         "::test_a_trial_key_that_is_used_up_leaves_the_fused_order"),
    ),
    Trap(
        7, "OpenRouter takes three models, and may fail or just end inside of a 200",
        ("chat/test_openai_compatible.py::test_a_fourth_model_is_refused_at_once",
         "chat/test_openai_compatible.py::test_a_stream_that_dies",
         "chat/test_openai_compatible.py::test_a_stream_that_is_odd_but_whole",
         "chat/test_providers.py::test_openrouter_gets_its_models_in_one_call"),
    ),
    Trap(
        8, "a token of Better Auth carries the user's whole row, and an issuer taken from the Host",
        untouched="chat/auth takes keys, sessions and visitors, and no tokens of Better Auth",
    ),
    Trap(
        9, "Django's pool and CONN_MAX_AGE exclude each other; a pooler leaks what a session sets",
        ("ragsite/test_settings.py"
         "::test_postgresql_is_used_as_a_pooler_and_a_sleeping_server_want_it",
         "ragsite/test_pooler.py::test_all_paths_at_once_work_through_a_pooler_and_leave_nothing",
         "ragsite/test_pooler.py::test_what_would_be_left_behind_is_seen"),
    ),
    Trap(
        10, "Cohere's SDK waits by itself and believes any 200; Qdrant's has four kinds of errors",
        ("documents/test_cohere_embedder.py::test_connect_builds_clients_that_do_not_retry",
         "contracts/test_cohere_over_the_wire.py::test_corrupt_embeddings_are_not_believed",
         "documents/test_qdrant_index.py::test_every_failure_is_index_unavailable",
         "contracts/test_index_over_the_wire.py"
         "::test_however_it_fails_the_index_is_unavailable"),
    ),
    Trap(
        11, "whatever asks a free Neon by the clock keeps it awake until its hours are gone",
        ("ingestion/test_idle.py::test_an_idle_installation_asks_postgresql_nothing",),
    ),
]  # fmt: skip


def functions_of(path):
    return {
        node.name
        for node in ast.walk(ast.parse((ROOT / "tests" / path).read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def missing(trap):
    named = [test.split("::") for test in trap.tests]
    return [name for path, name in named if name not in functions_of(path)]


def test_no_trap_is_left_out():
    assert [trap.number for trap in TRAPS] == list(range(1, 12))
    assert all(bool(trap.tests) != bool(trap.untouched) for trap in TRAPS)


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: str(trap.number))
def test_the_tests_of_a_trap_exist(trap):
    assert missing(trap) == []


def test_a_test_that_does_not_exist_would_be_missed():
    assert missing(Trap(0, "", ("contracts/test_traps.py::test_nothing",))) == ["test_nothing"]


# --- Those that have no other place ---------------------------------------------------------------


def test_the_client_of_redis_is_none_that_breaks_idle_channels():
    pinned = (ROOT / "requirements.txt").read_text().split()
    (redis,) = [line for line in pinned if line.startswith("redis==")]
    assert int(redis.removeprefix("redis==").split(".")[0]) < 8


def test_no_word_of_an_answer_goes_through_a_channel_layer():
    senders = {
        path.relative_to(ROOT).as_posix()
        for app in ("chat", "ragsite")
        for path in (ROOT / app).rglob("*.py")
        if {"group_send", "channel_layer"} & names_in(path.read_text("utf-8"))
    }
    assert senders == {"chat/journal/stops.py"}  # ids of answers that are to be stopped


def names_in(source):
    return {node.attr for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)}


async def test_sockets_do_not_queue_for_one_thread():
    both_there = threading.Barrier(2)
    waiting = in_database_thread(both_there.wait)
    numbers = await asyncio.gather(waiting(5), waiting(5))
    assert sorted(numbers) == [0, 1]
