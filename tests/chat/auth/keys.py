"""API keys for tests, and what is sent with them."""

from datetime import timedelta
from typing import Any

from django.test import Client
from django.utils import timezone

from chat.models import ApiKey
from documents.models import Corpus

PAGE = "https://docs.example.org"
TOKENS = "/api/v1/visitor-tokens/"
JSON = "application/json"


def corpus(slug: str = "papers", *, public: bool = False) -> Corpus:
    return Corpus.objects.get_or_create(
        slug=slug, defaults={"name": slug.title(), "is_public": public}
    )[0]


def make_key(*corpora: Corpus, **more: Any) -> tuple[ApiKey, str]:
    key, secret = ApiKey.objects.create_key(**{"name": "backend", **more})
    key.corpora.set(corpora or [corpus()])
    return key, secret


def publishable(*corpora: Corpus, **more: Any) -> tuple[ApiKey, str]:
    return make_key(*corpora, **{"kind": "publishable", "origins": PAGE, **more})


def by_key(secret: str, **more: str) -> dict[str, str]:
    return {"authorization": f"Api-Key {secret}", **more}


def minted(secret: str, body: Any = None, *, origin: str = PAGE) -> Any:
    headers = by_key(secret, **({"origin": origin} if origin else {}))
    return Client().post(TOKENS, body or {}, content_type=JSON, headers=headers)


def by_visitor(token: str, origin: str = PAGE) -> dict[str, str]:
    return {"x-visitor-token": token, **({"origin": origin} if origin else {})}


def ago(**elapsed: float) -> Any:
    return timezone.now() - timedelta(**elapsed)


def problem(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]
