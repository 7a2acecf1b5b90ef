"""What the environment selects, each time in a checkout of its own, without anybody's .env."""

import json
import os
import re
import runpy
import shutil
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from django.core.exceptions import ImproperlyConfigured

from tests.processes import ROOT

NAMES = re.findall(r'env(?:\.\w+)?\("(\w+)"', (ROOT / "ragsite" / "settings.py").read_text())


@pytest.fixture
def load(tmp_path, monkeypatch):
    """The settings of a new checkout in which only these variables are set."""
    (tmp_path / "ragsite").mkdir()
    path = shutil.copy(ROOT / "ragsite" / "settings.py", tmp_path / "ragsite")
    for name in NAMES:
        monkeypatch.setenv(name, "")  # so that it is put back, whatever an .env sets meanwhile
        monkeypatch.delenv(name)

    def settings(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return runpy.run_path(path)

    return settings


def database(settings):
    return settings["DATABASES"]["default"]


# The embedded shape


def test_with_nothing_set_the_application_runs_embedded(load, tmp_path):
    settings = load()
    assert database(settings)["ENGINE"] == "django.db.backends.sqlite3"
    assert database(settings)["NAME"] == str(tmp_path / "var" / "db.sqlite3")
    assert settings["CACHES"]["default"]["BACKEND"].endswith("LocMemCache")
    assert (settings["EMBEDDER"], settings["RERANKER"]) == ("auto", "auto")
    keys = ("QDRANT_URL", "COHERE_API_KEY", "OPENROUTER_API_KEY", "OPENAI_BASE_URL", "REDIS_URL")
    assert [settings[name] for name in keys] == [""] * len(keys)


def test_with_nothing_set_it_is_safe_to_be_reached(load):
    settings = load()
    assert settings["DEBUG"] is False
    assert settings["ALLOWED_HOSTS"] == ["127.0.0.1", "localhost", "[::1]"]
    assert settings["TRUSTED_PROXIES"] == 0
    assert settings["X_FRAME_OPTIONS"] == "DENY"


def test_the_largest_bodies_that_the_api_takes_are_not_too_large(load):
    limit, wide = load()["REQUEST_MAX_BYTES"], "\U0001f600"  # twelve bytes in JSON
    many = {name: [wide * size] * 50 for name, size in (("sections", 300), ("versions", 50))}
    question = {"question": wide * 4000, "filters": many}
    again = {"keys": ["x" * 500] * 1000}
    assert max(len(json.dumps(question)), len(json.dumps(again))) < 0.6 * limit


def test_sqlite_serves_several_processes(load):
    options = database(load(SQLITE_TIMEOUT="7"))["OPTIONS"]
    assert options["transaction_mode"] == "IMMEDIATE"
    assert "journal_mode=WAL" in options["init_command"]
    assert options["timeout"] == 7


def test_the_settings_of_a_checkout_may_stand_in_its_env_file(load, tmp_path):
    (tmp_path / ".env").write_text("TOP_K=3\nFUSION=rrf\n")
    settings = load(FUSION="dbsf")
    assert (settings["TOP_K"], settings["FUSION"]) == (3, "dbsf")  # the environment wins


def test_all_state_goes_where_it_is_told_to(load, tmp_path):
    settings = load(VAR_DIR=str(tmp_path / "state"))
    assert database(settings)["NAME"] == str(tmp_path / "state" / "db.sqlite3")
    assert settings["MODEL_DIR"] == tmp_path / "state" / "models"
    assert (tmp_path / "state" / "secret_key").exists()
    assert not (tmp_path / "var").exists()


# Budgets


def test_without_a_tier_no_month_and_no_day_is_limited(load):
    settings = load()
    free = ("COHERE_CALLS_A_MONTH", "OPENROUTER_FREE_CALLS_A_DAY", "OPENROUTER_DOLLARS_A_DAY",
            "OPENROUTER_DOLLARS_A_MONTH", "QDRANT_MEMORY_BYTES", "DATABASE_BYTES")  # fmt: skip
    assert [settings[name] for name in free] == [0] * len(free)
    assert (settings["COHERE_RERANKS_A_MINUTE"], settings["COHERE_INPUTS_A_MINUTE"]) == (1000, 2000)
    assert settings["BUDGETS"] == "hard"


def test_the_free_tier_presets_what_the_vendors_allow(load):
    settings = load(FREE_TIER="1")
    assert (settings["COHERE_CALLS_A_MONTH"], settings["COHERE_RERANKS_A_MINUTE"]) == (1000, 10)
    assert settings["OPENROUTER_FREE_CALLS_A_DAY"] == 50
    assert (settings["QDRANT_MEMORY_BYTES"], settings["QDRANT_DISK_BYTES"]) == (10**9, 4 * 10**9)
    assert settings["DATABASE_BYTES"] == 500_000_000


def test_a_variable_that_is_set_wins_over_the_tier(load):
    settings = load(FREE_TIER="1", OPENROUTER_FREE_CALLS_A_DAY="1000", COHERE_CALLS_A_MONTH="0")
    assert settings["OPENROUTER_FREE_CALLS_A_DAY"] == 1000
    assert settings["COHERE_CALLS_A_MONTH"] == 0


def test_dollars_may_have_cents(load):
    assert load(OPENROUTER_DOLLARS_A_DAY="0.50")["OPENROUTER_DOLLARS_A_DAY"] == 0.5


@pytest.mark.parametrize("told", ["many", "-1", "nan", "inf"])
def test_a_budget_that_is_no_number_is_refused(load, told):
    with pytest.raises(Exception, match="budget"):
        load(COHERE_CALLS_A_MONTH=told)


# PostgreSQL, Redis, HTTPS


POSTGRES = "postgresql://ann:secret@db.example.org:5433/docs?sslmode=require"


def test_postgresql_is_used_as_a_pooler_and_a_sleeping_server_want_it(load):
    config = database(load(DATABASE_URL=POSTGRES, DATABASE_POOL_SIZE="4"))
    assert config["ENGINE"] == "documents.postgresql"
    assert (config["HOST"], config["PORT"], config["NAME"]) == ("db.example.org", 5433, "docs")
    pool = config["OPTIONS"]["pool"]
    assert (pool["min_size"], pool["max_size"]) == (0, 4)
    assert config["CONN_MAX_AGE"] == 0
    assert config["DISABLE_SERVER_SIDE_CURSORS"]


def test_options_of_the_url_are_kept(load):
    assert database(load(DATABASE_URL=POSTGRES))["OPTIONS"]["sslmode"] == "require"


@pytest.mark.parametrize(
    ("url", "mode"),
    [
        ("postgresql://ann:x@db.example.org/docs", "require"),
        ("postgresql://ann:x@db.example.org/docs?sslmode=disable", "disable"),
        ("postgresql://ann:x@db.example.org/docs?sslmode=verify-full", "verify-full"),
        ("postgresql://ann:x@db.example.org/docs?sslrootcert=/etc/ca.pem", "verify-full"),
        ("postgresql://ann:x@127.0.0.1/docs", None),
        ("postgresql://ann:x@localhost:5433/docs", None),
        ("postgresql://ann:x@[::1]/docs", None),
        ("postgresql://%2Fvar%2Frun%2Fpostgresql/docs", None),
        ("postgresql:///docs?host=/var/run/postgresql", None),
        ("postgresql:///docs?host=db.example.org", "require"),
    ],
)
def test_a_server_elsewhere_is_reached_with_tls_unless_the_url_says_otherwise(load, url, mode):
    assert database(load(DATABASE_URL=url))["OPTIONS"].get("sslmode") == mode


@pytest.mark.parametrize("said", ["sslmode=verify-full", "sslrootcert=system"])
def test_a_certificate_is_checked_against_roots_that_are_there(load, said):
    options = database(load(DATABASE_URL=f"postgresql://ann:x@db.example.org/docs?{said}"))[
        "OPTIONS"
    ]
    assert options["sslmode"] == "verify-full"
    assert Path(options["sslrootcert"]).stat().st_size > 0


def test_nothing_is_asked_of_a_connection_that_a_pooler_refuses(load):
    assert "options" not in database(load(DATABASE_URL=POSTGRES))["OPTIONS"]


DIRECT = "postgresql://ann:secret@direct.example.org/docs"


@pytest.mark.parametrize(
    ("command", "host"),
    [("migrate", "direct"), ("sqlmigrate", "direct"), ("run_huey", "db"), ("ingest", "db")],
)
def test_commands_that_need_a_session_take_the_direct_address_and_say_so(
    load, monkeypatch, capsys, command, host
):
    monkeypatch.setattr("sys.argv", ["manage.py", command, "migrate"])
    settings = load(DATABASE_URL=POSTGRES, DATABASE_DIRECT_URL=DIRECT)
    assert database(settings)["HOST"] == f"{host}.example.org"
    said = f"{command} uses DATABASE_DIRECT_URL.\n" if host == "direct" else ""
    assert capsys.readouterr().err == said


@pytest.mark.parametrize(
    "url", ["mysql://ann@db.example.org/docs", "mongodb://db.example.org", "db.example.org/docs"]
)
@pytest.mark.filterwarnings("ignore:Engine not recognized")
def test_any_other_database_is_refused_with_what_to_write(load, url):
    with pytest.raises(ImproperlyConfigured, match="must begin with sqlite:/// or postgresql://"):
        load(DATABASE_URL=url)


def test_redis_becomes_the_cache(load):
    settings = load(REDIS_URL="redis://127.0.0.1:6379/5")
    cache = settings["CACHES"]["default"]
    assert cache["LOCATION"] == "redis://127.0.0.1:6379/5"
    assert cache["OPTIONS"]["serializer"] is json  # pickle would run what it reads


def test_redis_becomes_the_channel_layer(load):
    def layer(**variables):
        return load(**variables)["CHANNEL_LAYERS"]["default"]

    assert layer()["BACKEND"] == "channels.layers.InMemoryChannelLayer"
    pubsub = layer(REDIS_URL="redis://127.0.0.1:6379/5")
    assert pubsub["BACKEND"] == "channels_redis.pubsub.RedisPubSubChannelLayer"
    assert pubsub["CONFIG"]["hosts"][0]["socket_timeout"] == 15  # redis-py 8 would make it 5


def test_https_makes_cookies_secure_and_redirects(load):
    settings = load(HTTPS="1")
    names = ("SECURE_SSL_REDIRECT", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE")
    assert [settings[name] for name in names] == [True] * 3
    assert settings["SECURE_HSTS_SECONDS"] > 0


# The secret key


def test_a_secret_key_is_made_once_and_read_by_its_owner_only(load, tmp_path):
    first, second = load()["SECRET_KEY"], load()["SECRET_KEY"]
    path = tmp_path / "var" / "secret_key"
    assert first == second == path.read_text()
    assert len(first) >= 50
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_secret_key_that_is_set_leaves_no_file(load, tmp_path):
    assert load(SECRET_KEY="of the operator")["SECRET_KEY"] == "of the operator"
    assert not (tmp_path / "var" / "secret_key").exists()


def test_a_disk_without_links_keeps_a_secret_key_too(load, tmp_path, monkeypatch):
    def no_links(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    assert load()["SECRET_KEY"] == (tmp_path / "var" / "secret_key").read_text()


def test_a_secret_key_that_was_never_written_is_not_used(load, tmp_path, monkeypatch):
    make, moments = load()["local_secret_key"], iter([0.0, 3.0, 6.0])
    monkeypatch.setitem(make.__globals__, "monotonic", lambda: next(moments))
    (tmp_path / "var" / "secret_key").write_text("")
    with pytest.raises(ImproperlyConfigured, match="secret_key is empty: delete it, or set"):
        make()


def test_processes_that_start_together_agree_on_the_key(load, tmp_path):
    make = load()["local_secret_key"]
    together = Barrier(8)

    def start(_):
        together.wait()
        return make()

    for _ in range(20):
        (tmp_path / "var" / "secret_key").unlink()
        with ThreadPoolExecutor(8) as processes:
            keys = set(processes.map(start, range(8)))
        assert keys == {(tmp_path / "var" / "secret_key").read_text()}
    assert sorted(path.name for path in (tmp_path / "var").iterdir()) == ["secret_key", "static"]
