"""Uploads in tests: files, a storage of the test's own, and the work that they leave behind."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.core.files import File
from django.core.files.uploadedfile import SimpleUploadedFile

from documents.models import Source, Upload
from documents.uploads import storing
from ingestion.leases import SourceBusy
from ingestion.loaders.base import LoadError
from ingestion.models import IngestionRun
from ingestion.pipeline import Aborted, IngestionPipeline
from ingestion.runs import ingest_source

LAMP = "# The lamp\n\n## Timing\n\nThe lamp turns once in twelve seconds.\n"


def keep_uploads_in(folder: Path, settings: Any) -> Path:
    """A storage like the real one, somewhere else."""
    options = {**settings.STORAGES["uploads"]["OPTIONS"], "location": folder}
    uploads = {**settings.STORAGES["uploads"], "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "uploads": uploads}
    return folder


def given(name: str, content: str | bytes = LAMP) -> SimpleUploadedFile:
    file = SimpleUploadedFile("x", content.encode() if isinstance(content, str) else content)
    file._name = name  # as it came: Django would already have taken a part of it
    return file


def store(source: Source, files: Sequence[File], by: str) -> list[Upload]:
    """Stored, and nobody asked for them to be read."""
    with storing(source, files, by=by) as uploads:
        return uploads


def stored_files(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def tree(folder: Path) -> dict[str, int]:
    """Every path below, with its size."""
    return {str(path): path.lstat().st_size for path in folder.rglob("*")}


def work_through_the_queue(pipeline: IngestionPipeline | None = None) -> None:
    """What a worker does with the runs that are on record, here and now."""
    while run := IngestionRun.objects.filter(status="queued").order_by("pk").first():
        with suppress(LoadError, Aborted, SourceBusy):  # on record
            ingest_source(run, pipeline or IngestionPipeline.from_settings())
