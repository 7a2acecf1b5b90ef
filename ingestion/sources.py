"""From what an operator typed to a Source row, and from a Source row to its loader."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.text import slugify

from documents.models import Corpus, Source
from documents.reader import ADDRESS
from ingestion.loaders.base import Loader, LoadError
from ingestion.options import check_options

if TYPE_CHECKING:
    from ingestion.fetching import Fetcher


@contextmanager
def loader_for(source: Source) -> Iterator[Loader]:
    """What reads the source, ready to read; raises LoadError. Each is imported only when needed."""
    options = source.options
    check_options(source.kind, options)
    globs = {"include": options.get("include", ()), "exclude": options.get("exclude", ())}
    # Published nowhere: this server shows the pages itself.
    here = f"{ADDRESS}{source.slug}"
    match source.kind:
        case Source.Kind.FOLDER:
            from ingestion.loaders.files import FolderLoader

            yield FolderLoader(
                Path(source.location), base_url=source.base_url, fallback_url=here, **globs
            )
        case Source.Kind.UPLOAD:
            from ingestion.loaders.uploads import UploadLoader

            yield UploadLoader(source)
        case Source.Kind.SITE:
            from ingestion.loaders.site import SiteLoader

            memory = dict(source.documents.values_list("key", "memory")) if source.pk else {}
            with _fetcher() as fetcher:
                yield SiteLoader(source.location, fetcher=fetcher, options=options, memory=memory)
        case Source.Kind.GIT:
            from ingestion.loaders.git import GitLoader

            with _fetcher() as fetcher:
                yield GitLoader(
                    source.location, cache=settings.VAR_DIR / "git" / source.slug,
                    fetcher=fetcher, ref=options.get("ref", ""), folder=options.get("folder", ""),
                    base_url=source.base_url, fallback_url=here, **globs,
                )  # fmt: skip


def _fetcher() -> "Fetcher":
    """The one door to what is not ours."""
    from ingestion.fetching import Fetcher

    try:
        return Fetcher(
            allowed_addresses=settings.FETCH_ALLOWED_ADDRESSES, user_agent=settings.FETCH_USER_AGENT
        )
    except ValueError as error:
        raise LoadError(f"FETCH_ALLOWED_ADDRESSES: {error}") from error


@dataclass(frozen=True)
class SourceOptions:
    """What can be said of a new source on the command line; None: nothing was said."""

    corpus: str | None = None
    base_url: str | None = None
    trust_tier: str | None = None
    include: Sequence[str] | None = None
    exclude: Sequence[str] | None = None
    git: bool | None = None
    ref: str | None = None
    folder: str | None = None
    max_pages: int | None = None

    @classmethod
    def names(cls) -> list[str]:
        return [field.name for field in fields(cls)]

    @property
    def given(self) -> list[str]:
        return [name for name in self.names() if getattr(self, name) is not None]

    @property
    def stored(self) -> dict[str, object]:
        """What goes into `Source.options`."""
        kept = {name: getattr(self, name) for name in STORED}
        return {name: value for name, value in kept.items() if value is not None}


STORED = ("include", "exclude", "ref", "folder", "max_pages")
ONLY_FOR = {
    "ref": Source.Kind.GIT, "folder": Source.Kind.GIT, "max_pages": Source.Kind.SITE,
    "base_url": (Source.Kind.FOLDER, Source.Kind.GIT),
}  # fmt: skip


def named_source(name: str) -> Source | None:
    return Source.objects.select_related("corpus").filter(slug=name).first()


def source_for(place: str, about: SourceOptions, default_corpus: str, *, save: bool) -> Source:
    """The source for a folder or an address, made on first sight; unsaved when `save` is false.

    Raises LoadError when there is no such folder, or the address is none: a typing mistake must not
    leave a source behind.
    """
    kind, location = _kind_and_location(place, about)
    for name in about.given:
        if kind not in ONLY_FOR.get(name, Source.Kind.values):
            raise LoadError(f"--{name.replace('_', '-')} is not for a source of kind {kind}.")
    slug = about.corpus or default_corpus
    corpus = Corpus.objects.filter(slug=slug).first() or Corpus(slug=slug, name=slug)
    source = None
    if corpus.pk:
        source = corpus.sources.filter(kind=kind, location=location).first()
    if source is None:
        source = Source(kind=kind, location=location, slug=free_slug(kind, location), options={})
    source.corpus = corpus
    source.options = {**source.options, **about.stored}
    if about.base_url is not None:
        source.base_url = about.base_url
    if about.trust_tier is not None:
        source.trust_tier = about.trust_tier
    try:
        corpus.clean_fields(exclude=["name"])
        source.clean_fields(exclude=["corpus"])
    except ValidationError as error:
        raise LoadError(f"{place}: {'; '.join(error.messages)}") from error
    if save:
        corpus.save()
        source.corpus = corpus
        source.save()
    return source


def _kind_and_location(place: str, about: SourceOptions) -> tuple[str, str]:
    address = urlsplit(place)
    if address.scheme.lower() in ("http", "https"):
        if not address.hostname:
            raise LoadError(f'"{place}" is no address: it names no host.')
        is_git = about.git or address.path.endswith(".git")
        return (Source.Kind.GIT if is_git else Source.Kind.SITE), place
    path = Path(place).expanduser().resolve()
    if not path.is_dir():
        what = "is a file; give the folder it is in" if path.is_file() else "does not exist"
        raise LoadError(
            f'"{place}" {what}, and no source has that name. Give a folder of documents, an '
            "address that begins with https://, or the slug of a source from the admin."
        )
    return Source.Kind.FOLDER, str(path)


def free_slug(kind: str, location: str) -> str:
    """The folder's or host's name, with more in front when another source has it already."""
    if kind == Source.Kind.FOLDER:
        parts = Path(location).parts
        names = ["-".join(parts[-count:]) for count in (1, 2, 3)]
    else:
        address = urlsplit(location)
        path = address.path.removesuffix(".git").strip("/")
        host = (address.hostname or "").replace(".", "-")
        names = [path.rsplit("/", 1)[-1] if kind == Source.Kind.GIT else host, f"{host}-{path}"]
    for name in names:
        slug = slugify(name.replace("/", "-"))[:45].strip("-") or str(kind)
        if not Source.objects.filter(slug=slug).exists():
            return slug
    number = 2
    while Source.objects.filter(slug=f"{slug}-{number}").exists():
        number += 1
    return f"{slug}-{number}"
