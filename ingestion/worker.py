"""Runs that were asked for in the admin, done in a thread of this process."""

import logging
import threading

from django.db import connection

from documents.models import Source
from ingestion.loaders.base import LoadError
from ingestion.models import IngestionRun
from ingestion.pipeline import Aborted, IngestionPipeline
from ingestion.runs import ingest_source

logger = logging.getLogger(__name__)

_one_at_a_time = threading.Lock()


def start(sources: list[Source]) -> None:
    """Put a run on record for each source, and begin."""
    runs = [IngestionRun.objects.create(source=source) for source in sources]
    threading.Thread(target=work, args=(runs,), name="ingestion", daemon=True).start()


def work(runs: list[IngestionRun]) -> None:
    """Take the runs one after the other; each ends in a final state with its reason."""
    try:
        with _one_at_a_time:
            for run in runs:
                try:
                    ingest_source(run, IngestionPipeline.from_settings())
                except (LoadError, Aborted) as error:
                    logger.warning("Run %s failed: %s", run.pk, error)
                except Exception as error:
                    logger.exception("Run %s failed in a way nobody expected", run.pk)
                    if run.finished_at is None:  # it did not even begin
                        run.finish(IngestionRun.Status.FAILED, {}, str(error))
    finally:
        connection.close()
