"""Hears what the corpus announces."""

from collections.abc import Sequence
from typing import Any

from django.db.models import Q
from django.dispatch import receiver

from chat.models import Citation
from documents.signals import documents_deleted

AT_ONCE = 100  # addresses in one statement


@receiver(documents_deleted)
def forget_what_was_copied(sender: Any, source: Any, urls: Sequence[str], **kwargs: Any) -> int:
    """Citations of any version of these documents stay, without what they had copied of them."""
    forgotten = 0
    for start in range(0, len(urls), AT_ONCE):
        of_these = Q()
        for url in urls[start : start + AT_ONCE]:
            of_these |= Q(url=url) | Q(url__startswith=f"{url}#")
        here = Citation.objects.filter(of_these, message__conversation__corpus_id=source.corpus_id)
        forgotten += here.update(
            title="", heading_path=[], link="", quote="", quote_start=0, quote_end=0, text_hash=""
        )
    return forgotten
