"""Who sends requests in the tests of bodies, and limits small enough to be passed."""

from typing import Any

from django.contrib.auth.models import Permission, User
from django.test import Client

from chat.models import ApiKey
from documents.models import Corpus
from documents.powers import READING, Power

PROBLEM = "application/problem+json"
DOCUMENTS = "/api/v1/documents/"
CONVERSATIONS = "/api/v1/conversations/"


def set_small_limits(settings: Any) -> None:
    """1,000 bytes, and for the files of an upload 5,000 more."""
    settings.REQUEST_MAX_BYTES = settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 1000
    settings.UPLOAD_MAX_TOTAL_BYTES = 5000


def by_key(*, may_ingest: bool) -> dict[str, str]:
    """For every corpus there is."""
    scopes = [*READING, *([Power.INGEST] if may_ingest else [])]
    key, secret = ApiKey.objects.create_key(name="backend", scopes=scopes)
    key.corpora.set(Corpus.objects.all())
    return {"authorization": f"Api-Key {secret}"}


def by_session(*permissions: str) -> dict[str, str]:
    user = User.objects.create_user("joe", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return {"cookie": f"sessionid={client.cookies['sessionid'].value}"}
