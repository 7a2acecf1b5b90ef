"""Our PostgreSQL backend: what it tries again, what it does not, and what it says."""

import logging
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from time import monotonic

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.db import (
    IntegrityError,
    InternalError,
    OperationalError,
    connection,
    connections,
    transaction,
)

from documents import outages
from documents.models import Corpus
from documents.postgresql import base
from documents.postgresql.base import will_not_pass
from ragsite.settings import tls
from tests.background import until
from tests.databases import SERVER, end_backends, on_postgresql, operator, reached_at
from tests.standins import FaultProxy, Trouble
from tests.standins.pgbouncer import PgBouncer, is_installed

pytestmark = [on_postgresql, pytest.mark.django_db(transaction=True)]

PASS, REFUSE = Trouble(), Trouble("refuse")


@pytest.fixture(autouse=True)
def direct(transactional_db):
    """Also when the other tests go through a pooler."""
    with reached_at(*SERVER):
        yield


@pytest.fixture
def proxy():
    with FaultProxy(*SERVER) as proxy, reached_at("127.0.0.1", proxy.port):
        yield proxy
        proxy.always = PASS
        proxy.cut_all()  # the pool waits for threads that connect


@pytest.fixture
def patience(monkeypatch):
    monkeypatch.setattr(base, "PATIENCE", 1.0)


# Connecting


def test_connecting_is_tried_again(proxy):
    proxy.next(Trouble("reset", after=20))
    assert Corpus.objects.count() == 0
    assert proxy.accepted == 2


def test_whoever_waits_is_told_in_time(proxy, patience):
    proxy.always = Trouble("stall")
    began = monotonic()
    with pytest.raises(OperationalError, match="no connection in time"):
        Corpus.objects.count()
    assert 0.9 < monotonic() - began < 4


def test_a_server_that_has_been_away_for_long_is_waited_for_shortly(proxy, monkeypatch):
    proxy.always = REFUSE
    outages.postgresql.began(OSError("refused"))
    monkeypatch.setattr(outages.postgresql, "since", monotonic() - 60)
    began = monotonic()
    with pytest.raises(OperationalError, match="no connection in time"):
        Corpus.objects.count()
    assert monotonic() - began < 4  # of 7


def test_when_nobody_waits_nobody_goes_on_connecting(proxy, patience, monkeypatch):
    options = connection.settings_dict["OPTIONS"]["pool"]
    monkeypatch.setitem(options, "reconnect_timeout", 1)
    proxy.always = REFUSE
    with pytest.raises(OperationalError):
        Corpus.objects.count()
    time.sleep(1.5)
    before = proxy.accepted
    time.sleep(1.5)
    assert proxy.accepted == before


def test_an_outage_is_one_line_in_the_log(proxy, patience, caplog):
    proxy.always = REFUSE
    for _ in range(2):
        with pytest.raises(OperationalError):
            Corpus.objects.count()
    proxy.always = PASS
    until(lambda: outages.postgresql.error is None, 10, "the next attempt")
    away, back = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert away.startswith("PostgreSQL is away (")
    assert back.startswith("PostgreSQL is back")


class Refusing:
    """A server that says one thing to whoever connects."""

    def __init__(self, text: str) -> None:
        fields = b"".join(
            kind + value.encode() + b"\0"
            for kind, value in ((b"S", "FATAL"), (b"V", "FATAL"), (b"C", "XX000"), (b"M", text))
        )
        self.reply = b"E" + (len(fields) + 5).to_bytes(4, "big") + fields + b"\0"
        self.accepted = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                client, _address = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            if client.recv(8)[-4:] == b"\x04\xd2\x16\x2f":  # "may I use TLS?"
                client.sendall(b"N")
                client.recv(4096)
            client.sendall(self.reply)
            client.close()


QUOTA = (
    "Your account or project has exceeded the compute time quota. Upgrade your plan to increase "
    "limits."
)


@pytest.fixture
def refusing():
    server = Refusing(QUOTA)
    with reached_at("127.0.0.1", server.port):
        yield server
    server.listener.close()
    outages.postgresql.error = None  # as after those 30 seconds


def test_a_used_up_quota_is_told_to_the_operator_and_not_tried_again(refusing, caplog):
    began = monotonic()
    for _ in range(2):
        with pytest.raises(OperationalError, match="quota"):
            Corpus.objects.count()
    assert monotonic() - began < base.PATIENCE
    assert refusing.accepted == 1
    told = [r.getMessage() for r in caplog.records if r.name == "documents.outages"]
    assert len(told) == 1
    assert "only a larger plan or the next month helps" in told[0]
    assert "exceeded the compute time quota" in told[0]


@pytest.mark.parametrize(
    ("text", "permanent"),
    [
        (QUOTA, True),
        ("could not extend file because project size limit (512 MB) has been exceeded", True),
        ('FATAL:  password authentication failed for user "ann"', True),
        ('FATAL:  database "docs" does not exist', True),
        ("FATAL:  unsupported startup parameter: options", True),
        ("server does not support SSL, but SSL was required", True),
        ("connection is insecure (try using `sslmode=require`)", True),
        ("Connection refused", False),
        ('could not translate host name "ep-lamp" to address: Try again', False),
        ("Control plane request failed", False),
        ("Failed to acquire permit to connect to the database", False),
        ("FATAL:  sorry, too many clients already", False),
        ("FATAL:  the database system is starting up", False),
        ("FATAL:  server login has been failing, try again later (server_login_retry)", False),
        ("terminating connection due to administrator command", False),
    ],
)
def test_what_passes_is_told_from_what_does_not(text, permanent):
    assert will_not_pass(psycopg.OperationalError(text)) is permanent


# Statements


def test_a_connection_that_died_while_nobody_used_it_is_replaced():
    Corpus.objects.count()
    connection.close()
    assert end_backends() >= 1
    assert Corpus.objects.create(slug="lamp", name="Lamp").pk


def test_a_connection_that_was_held_and_silent_is_looked_at_first(monkeypatch):
    Corpus.objects.count()
    end_backends()
    monkeypatch.setattr(base, "TRUSTED", 0.0)
    with transaction.atomic():
        assert Corpus.objects.create(slug="lamp", name="Lamp").pk


def test_a_connection_of_the_pool_that_answers_ends_an_outage():
    connection.ensure_connection()
    connection.close()
    outages.postgresql.began(psycopg.OperationalError("one more could not be had"))

    connection.ensure_connection()

    assert outages.postgresql.error is None


def test_a_query_outside_of_a_transaction_is_asked_again():
    Corpus.objects.count()
    end_backends()
    assert Corpus.objects.count() == 0


def test_nothing_that_may_have_been_stored_is_said_twice():
    Corpus.objects.count()
    end_backends()
    with pytest.raises(OperationalError):
        Corpus.objects.create(slug="lamp", name="Lamp")
    assert Corpus.objects.create(slug="lamp", name="Lamp").pk


def test_a_query_inside_a_transaction_is_not_asked_again():
    """It would see another state than the statements before it, without their changes."""
    with pytest.raises(OperationalError), transaction.atomic():
        Corpus.objects.create(slug="lamp", name="Lamp")
        end_backends()
        Corpus.objects.count()
    assert Corpus.objects.count() == 0


def test_a_write_whose_answer_was_lost_is_written_once(proxy):
    Corpus.objects.count()
    connection.close()
    connections["default"].close_pool()
    sent: list[str] = []

    def count(execute, sql, params, many, context):
        sent.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(count):
        Corpus.objects.count()
        proxy.cut_all()
        with pytest.raises(OperationalError):
            Corpus.objects.create(slug="lamp", name="Lamp")
    assert sum(sql.startswith("INSERT") for sql in sent) == 1


@pytest.mark.parametrize(
    ("error", "told_as"),
    [
        (psycopg.InternalError("received 2 results from command 'COMMIT'"), OperationalError),
        (psycopg.errors.IdleInTransactionSessionTimeout("too long"), OperationalError),
        (psycopg.errors.InFailedSqlTransaction("aborted"), InternalError),
        (psycopg.errors.UniqueViolation("twice"), IntegrityError),
    ],
)
def test_a_connection_that_broke_has_one_name(error, told_as):
    with pytest.raises(told_as) as told, connection.wrap_database_errors:
        raise error
    assert type(told.value) is told_as


# A pooler


@pytest.mark.skipif(not is_installed(), reason="needs pgbouncer")
def test_behind_a_pooler_queries_are_asked_again_and_nothing_else_is():
    with PgBouncer(*SERVER) as pooler, reached_at("127.0.0.1", pooler.port):
        for _ in range(5):
            Corpus.objects.count()
            end_backends()
            assert Corpus.objects.count() == 0
        with pytest.raises(OperationalError), transaction.atomic():
            Corpus.objects.create(slug="lamp", name="Lamp")
            end_backends()
            Corpus.objects.count()
        assert Corpus.objects.count() == 0


@pytest.mark.skipif(not is_installed(), reason="needs pgbouncer")
def test_a_pooler_without_a_free_connection_is_said_to_be_away(patience):
    with PgBouncer(*SERVER, size=1, wait=1) as pooler, operator() as somebody:
        database = connection.settings_dict["NAME"]
        with psycopg.connect(
            host="127.0.0.1", port=pooler.port, dbname=database, user="postgres"
        ) as busy:
            busy.execute("SELECT 1")  # and the transaction stays open
            with reached_at("127.0.0.1", pooler.port), pytest.raises(OperationalError):
                Corpus.objects.count()
            busy.rollback()
            with reached_at("127.0.0.1", pooler.port):
                assert Corpus.objects.count() == 0
        assert somebody.execute("SELECT 1").fetchone() == (1,)
    assert outages.postgresql.error is None


# TLS, as the settings ask for it


@pytest.fixture(scope="module")
def certificate():
    """A server's for db.test, signed by itself, with its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "db.test")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1))
    names = x509.SubjectAlternativeName([x509.DNSName("db.test")])
    signed = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    pem, unprotected = serialization.Encoding.PEM, serialization.NoEncryption()
    return signed.public_bytes(pem) + key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, unprotected
    )


@pytest.mark.skipif(not is_installed(), reason="needs pgbouncer")
@pytest.mark.parametrize(
    ("options", "host", "refused"),
    [
        ({}, "db.test", None),
        ({"sslrootcert": "ITS OWN"}, "db.test", None),
        ({"sslrootcert": "ITS OWN"}, "other.test", "does not match host name"),
        ({"sslmode": "verify-full"}, "db.test", "certificate verify failed"),
        ({"sslrootcert": "system"}, "db.test", "certificate verify failed"),
        ({"sslmode": "disable"}, "db.test", "SSL required"),
    ],
)
def test_tls_is_what_the_url_asks_for_and_the_default_for_servers_elsewhere(
    certificate, tmp_path, options, host, refused
):
    root = tmp_path / "root.pem"
    root.write_bytes(certificate)
    if options.get("sslrootcert") == "ITS OWN":
        options = {**options, "sslrootcert": str(root)}
    with PgBouncer(*SERVER, certificate=certificate) as pooler:
        where = {"host": host, "hostaddr": "127.0.0.1", "port": pooler.port, "user": "postgres"}
        address = {**where, "dbname": connection.settings_dict["NAME"], **tls(options, host)}
        if refused:
            with pytest.raises(psycopg.OperationalError, match=refused) as error:
                psycopg.connect(**address)
            assert will_not_pass(error.value)
        else:
            with psycopg.connect(**address) as secured:
                assert secured.pgconn.ssl_in_use


@pytest.mark.skipif(not is_installed(), reason="needs pgbouncer")
def test_a_server_elsewhere_without_tls_is_refused():
    with PgBouncer(*SERVER) as pooler, pytest.raises(psycopg.OperationalError) as error:
        psycopg.connect(
            host="db.test", hostaddr="127.0.0.1", port=pooler.port, user="postgres",
            dbname="postgres", **tls({}, "db.test"),
        )  # fmt: skip
    assert will_not_pass(error.value)
