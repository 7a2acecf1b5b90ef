"""The crowd: makes everybody who may knock, and gives each something of their own to lose."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.better_auth.issuer import AUDIENCE, ISSUER, Issuer, Key
from tests.campaigns.matrix.canaries import EVERYTHING
from tests.campaigns.matrix.people import Person, bearer, by_key, by_session, by_visitor
from tests.campaigns.matrix.tenants import Tenant, Town

ORIGINS = {"a": "https://docs.a.example", "b": "https://docs.b.example"}
FOREIGN_ORIGIN = "https://evil.example"
NOBODY = Key("nobody")


def signed_by(issuer: Issuer) -> dict[str, Any]:
    """Settings under which its tokens count."""
    return {"BETTER_AUTH_URL": issuer.url, "BETTER_AUTH_ISSUER": ISSUER,
            "BETTER_AUTH_AUDIENCE": AUDIENCE}  # fmt: skip


class Crowd:
    def __init__(self, town: Town, issuer: Issuer) -> None:
        self.town, self.issuer = town, issuer

    def gather(self) -> list[Person]:
        people = [
            *self.with_keys(), *self.with_dead_keys(), *self.visitors(), *self.accounts(),
            *self.nobodies(),
        ]  # fmt: skip
        self.others_things()
        return [
            replace(one, public=self.public, is_anybody=one.is_anybody or "cookie" in one.headers)
            for one in people
        ]

    # --- API keys

    def key(self, letter: str, *scopes: str, **more: Any) -> tuple[Any, str]:
        from chat.models import ApiKey

        name = f"key {self.town.canaries.plant()}"
        key, secret = ApiKey.objects.create_key(**{"name": name, "scopes": list(scopes), **more})
        key.corpora.add(self.town.tenants[letter].corpus)
        self.town.canaries.know(key.prefix, f"owner:key:{key.prefix}")
        self.town.canaries.know(key.hashed_key)
        self.town.add("apikey", "slug", key.prefix)
        return key, secret

    def with_keys(self) -> Iterator[Person]:
        for letter, name, scopes in (
            ("a", "key A", ("chat", "search")), ("a", "another key of A", ("chat", "search")),
            ("a", "ingest key A", ("ingest",)), ("a", "admin-read key A", ("admin-read",)),
            ("a", "full key A", ("chat", "search", "ingest", "admin-read")),
            ("b", "key B", ("chat", "search")), ("b", "ingest key B", ("search", "ingest")),
            ("b", "admin-read key B", ("admin-read",)),
        ):  # fmt: skip
            tenant = self.town.tenants[letter]
            key, secret = self.key(letter, *scopes)
            grants = {tenant.readers} if {"chat", "search"} & {*scopes} else set()
            grants |= {tenant.workers} if {"ingest", "admin-read"} & {*scopes} else set()
            owner = f"key:{key.prefix}"
            changes = frozenset({letter} if "ingest" in scopes else ())
            person = self.person(
                name, by_key(secret), tenant, owner, *grants, changes=changes, runs=name == "key A"
            )
            # Whoever may not chat has no conversations to read.
            theirs = person.grants if "chat" in scopes else frozenset(grants)
            yield replace(person, grants=theirs)

    def with_dead_keys(self) -> Iterator[Person]:
        tenant, past = self.town.tenants["a"], datetime.now(UTC) - timedelta(days=1)
        for name, more in (
            ("expired key", {"expiry_date": past}), ("revoked key", {"revoked": True}),
            ("suspended key", {"suspended": True}),
        ):  # fmt: skip
            key, secret = self.key("a", "chat", "search", "ingest", "admin-read", **more)
            self.town.talk(f"key:{key.prefix}", tenant)
            yield Person(name, by_key(secret), home=self.at_home(tenant))
        key, secret = self.key("a", "chat", kind="publishable", origins=ORIGINS["a"])
        yield Person("publishable key A", {**by_key(secret), "origin": ORIGINS["a"]},
                     frozenset({"name:a"}), home=self.at_home(tenant))  # fmt: skip
        yield Person("publishable key A elsewhere", {**by_key(secret), "origin": FOREIGN_ORIGIN},
                     home=self.at_home(tenant))  # fmt: skip

    # --- Visitors

    def visitors(self) -> Iterator[Person]:
        from chat.auth import visitors

        yield Person("anonymous", {}, self.public, home=self.at_home(self.town.tenants["p"]),
                     is_anybody=True)  # fmt: skip
        token = visitors.new_token()
        owner = f"visitor:{visitors.visitor_id(token)}"
        tenant = self.town.tenants["p"]
        yield self.person("anonymous visitor", by_visitor(token), tenant, owner, *self.public)
        for letter in ("a", "b"):
            tenant, origin = self.town.tenants[letter], ORIGINS[letter]
            key, _ = self.key(letter, "chat", "search", kind="publishable", origins=origin)
            made = visitors.mint(
                key=key.prefix, corpora=frozenset([tenant.corpus.pk]), origin=origin
            )
            self.town.canaries.know(made.visitor, f"owner:visitor:{made.visitor}")
            made = visitors.Minted(made.visitor, made.key, made.corpora, origin,
                                   made.expires_at + timedelta(hours=3))  # fmt: skip
            yield self.person(
                f"visitor of {letter.upper()}", by_visitor(made.token, origin), tenant,
                f"visitor:{made.visitor}", tenant.readers,
            )  # fmt: skip
            if letter == "b":
                continue
            yield Person("visitor of A elsewhere", by_visitor(made.token, FOREIGN_ORIGIN),
                         home=self.at_home(tenant))  # fmt: skip
            over = visitors.Minted(made.visitor, made.key, made.corpora, origin,
                                   datetime.now(UTC) - timedelta(hours=1))  # fmt: skip
            yield Person("expired visitor of A", by_visitor(over.token, origin),
                         home=self.at_home(tenant))  # fmt: skip

    # --- Accounts

    def accounts(self) -> Iterator[Person]:
        from django.contrib.auth.models import Permission

        public = self.town.tenants["p"]
        user = self.user("reader")
        yield self.person("Django user", by_session(user), public, f"user:{user.pk}", *self.public,
                          "account:reader")  # fmt: skip
        forged = {**by_session(user), "origin": FOREIGN_ORIGIN}
        theirs = self.public | {f"owner:user:{user.pk}", "account:reader"}
        yield Person("Django user on a forged form", forged, theirs, home=self.at_home(public))
        for subject in ("ada", "eve"):
            account = self.account(subject)
            person = self.person(
                f"Better Auth user {subject}", bearer(self.token(subject)), public,
                f"user:{account.user_id}", *self.public,
            )  # fmt: skip
            yield person
        yield Person("expired Better Auth token", bearer(self.token("ada", seconds=-300)),
                     home=self.at_home(public))  # fmt: skip
        account = self.account("mallory")
        self.town.talk(f"user:{account.user_id}", public)
        session = by_session(account.user)
        type(account.user).objects.filter(pk=account.user_id).update(is_active=False)
        yield Person("suspended Better Auth user", bearer(self.token("mallory")),
                     home=self.at_home(public))  # fmt: skip
        yield Person("suspended session", session, home=self.at_home(public))
        staff = self.user("clerk", is_staff=True)
        few = ("view_answermodel", "view_conversation", "view_message")
        staff.user_permissions.set(Permission.objects.filter(codename__in=few))
        yield self.person("staff with few permissions", by_session(staff), public,
                          f"user:{staff.pk}", *self.public, *self.staff_sees(),
                          "account:clerk", "answermodels")  # fmt: skip
        root = self.user("root", is_staff=True, is_superuser=True)
        yield Person("superuser", by_session(root), frozenset({EVERYTHING}), f"user:{root.pk}",
                     frozenset("abp"), self.at_home(public), reads_everything=True)  # fmt: skip

    def staff_sees(self) -> set[str]:
        """Without a permission of its own for conversations, the one to view rows is enough."""
        from django.contrib.auth.models import Permission

        confidential = Permission.objects.filter(codename="read_conversations").exists()
        return set() if confidential else {EVERYTHING}

    def user(self, name: str, **more: Any) -> Any:
        from django.contrib.auth import get_user_model

        named = f"{name}-{self.town.canaries.plant(f'account:{name}')}"
        user = get_user_model().objects.create_user(
            named, email=f"{self.town.canaries.plant()}@example.org", **more
        )
        self.town.add("user", "int", user.pk)
        return user

    def account(self, subject: str) -> Any:
        from chat.models import Account

        self.mails = getattr(self, "mails", {})
        self.mails[subject] = f"{self.town.canaries.plant()}@example.org"
        return Account.objects.create(
            user=self.user(subject), issuer=ISSUER, subject=self.named(subject),
            email=self.mails[subject],
        )  # fmt: skip

    def token(self, subject: str, seconds: int = 4 * 3600) -> str:
        now = int(datetime.now(UTC).timestamp())
        return self.issuer.token(
            sub=self.named(subject), iat=now - 3600, exp=now + seconds, email=self.mails[subject]
        )

    def named(self, subject: str) -> str:
        return f"{subject}-{self.town.tenants['p'].corpus.pk}"  # towns share a database

    # --- Such that are nobody

    def nobodies(self) -> Iterator[Person]:
        home = self.at_home(self.town.tenants["a"])
        _key, secret = self.key("a", "chat", "search")
        forged = NOBODY.signs(self.issuer.claims())
        for name, headers in (
            ("made-up key", by_key(f"{'x' * 8}.{'y' * 32}")),
            ("key with another's secret", by_key(f"{_key.prefix}.{'z' * 32}")),
            ("forged token", bearer(forged)), ("no credential at all", bearer("null")),
            ("made-up visitor", by_visitor("garbage:in:out")),
            ("two credentials at once", {**by_key(secret), **by_visitor("garbage:in:out")}),
        ):  # fmt: skip
            yield Person(name, headers, home=home)

    # --- What is theirs

    @property
    def public(self) -> frozenset[str]:
        return frozenset({self.town.tenants["p"].readers})

    def person(
        self, name: str, headers: dict[str, str], tenant: Tenant, owner: str, *grants: str,
        changes: frozenset[str] = frozenset(), runs: bool = False,
    ) -> Person:  # fmt: skip
        self.town.talk(owner, tenant, is_running=runs)
        home = {**self.at_home(tenant), **self.town.desk(owner, tenant)}
        return Person(name, headers, frozenset({*grants, f"owner:{owner}"}), owner, changes, home)

    @staticmethod
    def at_home(tenant: Tenant) -> dict[str, str]:
        return {**tenant.home, "tenant": tenant.name}

    def others_things(self) -> None:
        """Whatever else holds what somebody did: none of it is for anybody but superusers."""
        import json

        from django.apps import apps

        plant = self.town.canaries.plant
        names = {model._meta.label_lower: model for model in apps.get_models()}
        if "documents.auditentry" in names:
            from documents.audit import Action, record

            record(Action.KEY_CREATED, target=f"key:{plant()}", by=f"user:{plant()}", name=plant())
        if (kept := names.get("documents.keptrequest")) is not None:
            row, _ = kept.objects.claim(plant() * 4, plant() * 4)
            row.answer_with(201, {"Location": f"/{plant()}"}, {"text": plant()})
        names["chat.answermodel"].objects.create(name=f"vendor/{plant('answermodels')}")
        log, users = names["admin.logentry"], names["auth.user"]
        log.objects.create(
            user=users.objects.first(), action_flag=2, object_id=plant(), object_repr=plant(),
            change_message=json.dumps([{"changed": {"fields": [plant()]}}]),
        )  # fmt: skip
