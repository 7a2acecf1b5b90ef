"""Hears what the corpus announces."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.db.models.signals import pre_delete
from django.dispatch import receiver

from chat.forgetting import forget_conversations
from chat.models import Citation, Conversation
from documents.models import Corpus
from documents.signals import documents_deleted

AT_ONCE = 100  # addresses or chunks in one statement


@receiver(documents_deleted)
def forget_what_was_copied(
    sender: Any, source: Any, urls: Sequence[str], chunk_ids: Sequence[UUID], **kwargs: Any
) -> int:
    """Citations of these documents stay, without what they had copied. By chunk, and by address:
    the chunks of older versions are known no longer."""
    cited = Citation.objects.filter(message__conversation__corpus_id=source.corpus_id)
    wanted = [Q(chunk_id__in=some) for some in _batches(chunk_ids)]
    for some in _batches(urls):
        of_these = Q(url__in=some)
        for url in some:
            of_these |= Q(url__startswith=f"{url}#")
        wanted.append(of_these)
    return sum(
        cited.filter(query).update(
            title="", heading_path=[], link="", quote="", quote_start=0, quote_end=0, text_hash=""
        )
        for query in wanted
    )


@receiver(pre_delete, sender=Corpus)
def forget_what_was_asked_of_it(sender: Any, instance: Corpus, **kwargs: Any) -> None:
    """Its conversations would go with it, but not what was told of them elsewhere."""
    here = Conversation.objects.filter(corpus=instance).values_list("pk", flat=True)
    for some in _batches([*here]):
        forget_conversations(some)


def _batches(values: Sequence[Any]) -> list[Sequence[Any]]:
    return [values[start : start + AT_ONCE] for start in range(0, len(values), AT_ONCE)]
