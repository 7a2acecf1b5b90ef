"""The installation that tests.campaigns.contract asks: two corpora, uploads, runs, credentials."""

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

ORIGIN = "https://docs.example.org"


def furnish(folder: Path, environment: dict[str, str]) -> dict[str, Any]:
    """In a process of its own, which has the settings of the server."""
    made = subprocess.run(
        [sys.executable, "-m", "tests.campaigns.contract_world", "furnish", str(folder)],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if made.returncode:
        raise RuntimeError(made.stderr)
    found: dict[str, Any] = json.loads(made.stdout.splitlines()[-1])
    return found


def _furnish(folder: Path) -> dict[str, Any]:
    from django.contrib.auth.models import User
    from django.core.files.base import ContentFile
    from django.core.management import call_command
    from django.test import Client

    from chat.models import ApiKey
    from documents.models import Chunk, Corpus, Document
    from documents.powers import GIVEN
    from documents.uploads import storing, upload_source
    from ingestion.models import IngestionRun
    from ingestion.pipeline import IngestionPipeline
    from ingestion.runs import ingest_source
    from ingestion.worker import queue_run
    from tests.conftest import PAGES

    call_command("migrate", verbosity=0)
    site = folder / "site"
    pages = PAGES | {f"more/{n}.md": f"# Page {n}\n\nBuoy {n} is lit.\n" for n in range(60)}
    for name, text in pages.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text, encoding="utf-8")
    call_command("ingest", str(site), corpus="lighthouse", public=True, json=True)
    source = upload_source(Corpus.objects.get(slug="lighthouse"))
    files = [ContentFile(f"# File {n}\n\nA text.\n".encode(), name=f"{n}.md") for n in range(20)]
    with storing(source, files, by="campaign") as stored:
        run = queue_run(source, trigger=IngestionRun.Trigger.API, only=[u.key for u in stored])
    ingest_source(run, IngestionPipeline.from_settings())
    # Something to try again.
    with storing(source, [ContentFile(b"%PDF-1.7 no", name="broken.pdf")], by="campaign") as stored:
        failed = queue_run(source, trigger=IngestionRun.Trigger.API, only=["broken.pdf"])
    ingest_source(failed, IngestionPipeline.from_settings())
    key, secret = ApiKey.objects.create_key(name="backend", scopes=sorted(GIVEN))
    key.corpora.set(Corpus.objects.all())
    page, publishable = ApiKey.objects.create_key(
        name="widget", kind=ApiKey.Kind.PUBLISHABLE, origins=ORIGIN
    )
    page.corpora.set(Corpus.objects.all())
    browser = Client()
    browser.force_login(User.objects.create_superuser("root"))
    token = "x" * 32
    cookie = f"sessionid={browser.cookies['sessionid'].value}; csrftoken={token}"
    uploaded = Document.objects.filter(source=source).values_list("pk", flat=True)
    return {
        "callers": {
            "a backend": {"Authorization": f"Api-Key {secret}"},
            "a visitor": {},
            "a widget": {"Authorization": f"Api-Key {publishable}", "Origin": ORIGIN},
            "an administrator": {"Cookie": cookie, "X-CSRFToken": token},
        },
        "ids": {
            "/documents/{id}/file": {"id": [*uploaded]},
            "/documents/{": {"id": [*Document.objects.values_list("pk", flat=True)]},
            "/chunks/{": {"id": [str(pk) for pk in Chunk.objects.values_list("pk", flat=True)]},
            "/runs/{": {"id": [*IngestionRun.objects.values_list("pk", flat=True)]},
            "/sources/{": {"source": [source.slug, "site", str(source.pk)]},
        },
    }


def _serve() -> None:
    import uvicorn

    from ragsite.asgi import application
    from ragsite.demo import SERVER

    listener = socket.create_server(("127.0.0.1", 0))
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    server = uvicorn.Server(uvicorn.Config(application, **SERVER))  # type: ignore[arg-type]
    server.run(sockets=[listener])


if __name__ == "__main__":
    import django

    django.setup()
    if sys.argv[1] == "serve":
        _serve()
    else:
        print(json.dumps(_furnish(Path(sys.argv[2])), default=str))
