"""From what an operator typed to a Source row: a slug that exists, or a folder."""

from pathlib import Path

from django.core.exceptions import ValidationError
from django.utils.text import slugify

from documents.models import Corpus, Source
from ingestion.loaders.base import LoadError


def named_source(name: str) -> Source | None:
    return Source.objects.select_related("corpus").filter(slug=name).first()


def folder_source(
    folder: str, *, corpus: str, base_url: str | None, trust_tier: str | None, save: bool
) -> Source:
    """The source for a folder, made on first sight; unsaved when `save` is false.

    Raises LoadError when there is no such folder: a typing mistake must not leave a source behind.
    """
    path = Path(folder).expanduser().resolve()
    if not path.is_dir():
        what = "is a file; give the folder it is in" if path.is_file() else "does not exist"
        raise LoadError(
            f'"{folder}" {what}, and no source has that name. Give a folder of Markdown files, or '
            "the slug of a source from the admin."
        )
    known_corpus = Corpus.objects.filter(slug=corpus).first() or Corpus(slug=corpus, name=corpus)
    known = None
    if known_corpus.pk:
        known = known_corpus.sources.filter(kind=Source.Kind.FOLDER, location=str(path)).first()
    source = known or Source(
        kind=Source.Kind.FOLDER, location=str(path), slug=free_slug(path), options={}
    )
    source.corpus = known_corpus
    if base_url is not None:
        source.base_url = base_url
    if trust_tier is not None:
        source.trust_tier = trust_tier
    try:
        source.clean_fields(exclude=["corpus"])
    except ValidationError as error:
        raise LoadError(f"{folder}: {'; '.join(error.messages)}") from error
    if save:
        known_corpus.save()
        source.corpus = known_corpus
        source.save()
    return source


def free_slug(path: Path) -> str:
    """The folder's name, with its parent's in front when another source has it already."""
    for parts in (path.parts[-1:], path.parts[-2:], path.parts[-3:]):
        slug = slugify("-".join(parts)) or "folder"
        if not Source.objects.filter(slug=slug).exists():
            return slug
    number = 2
    while Source.objects.filter(slug=f"{slug}-{number}").exists():
        number += 1
    return f"{slug}-{number}"
