"""Hears what the corpus announces. Imports the pipeline only when there is work."""

from typing import Any

from django.dispatch import receiver

from documents.signals import ingestion_wanted


@receiver(ingestion_wanted)
def queue_runs(sender: Any, sources: list[Any], **kwargs: Any) -> None:
    from ingestion.worker import start

    start(sources)
