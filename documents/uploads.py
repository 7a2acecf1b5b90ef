"""Files that somebody gives us: under a harmless name in the rows, under one of our own on disk.

A file is stored once for each content. It is written aside and moved into place in the transaction
that makes its row, under one lock for all moves and removals: whoever removes a file that no row
names cannot take it from under an upload of the same content.
"""

import hashlib
import os
import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path, PurePosixPath
from urllib.parse import quote
from uuid import uuid4

from django.conf import settings
from django.core.files import File
from django.core.files.storage import Storage, storages
from django.db import connection, transaction
from django.utils import timezone

from documents import audit
from documents.failpoints import failpoint
from documents.models import Corpus, Source, Tombstone, Upload

# Which files are documents, ".md" and the like: announced by the app that has the parsers.
readable_suffixes: set[str] = set()

# Any constant; it only has to be the same in every process, and no other lock's.
UPLOADS_LOCK = 7_235_002
ASIDE = "incoming"
OLD_ENOUGH = timedelta(hours=1)  # an upload that takes longer has been given up
NAME_LIMIT = 200  # characters, and three times as many once they are escaped for an address
# Reserved by Windows, where a reader may save the file; "%" would be ambiguous in an address.
RESERVED = re.compile(r'[<>:"|?*%]')
DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)
# Control, format (bidi, tags, zero width), surrogate, private and unassigned characters.
INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
VARIATION_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")


class Refused(Exception):
    """A file that is not taken; the message says why, `name` which one."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(reason)
        self.name = name

    @property
    def in_full(self) -> str:
        return f"{self.name[:200]}: {self}" if self.name else str(self)


class TooLarge(Refused):
    """Smaller ones are welcome."""

    code = "too_large"


class TooMany(TooLarge):
    """Fewer are welcome."""

    code = "too_many_files"


class NotStored(Exception):
    """The disk refused it; nothing was recorded."""


# What a file is called


def key_of(name: str) -> str:
    """The name it was given, made harmless; raises Refused when nothing usable is left of it."""
    key = unicodedata.normalize("NFC", re.split(r"[/\\]", name)[-1])
    key = VARIATION_SELECTORS.sub("", key)
    key = "".join(char for char in key if unicodedata.category(char) not in INVISIBLE)
    key = RESERVED.sub("_", " ".join(key.split())).strip(". ")
    if DEVICES.match(key):
        key = f"_{key}"
    suffix = PurePosixPath(key).suffix.lower()
    if suffix not in readable_suffixes:
        kinds = ", ".join(sorted(readable_suffixes))
        raise Refused(name, f"This is not a kind of document that can be read; those are {kinds}.")
    if len(key) > NAME_LIMIT or len(quote(key)) > 3 * NAME_LIMIT:
        raise Refused(name, "Its name is too long; give it a shorter one.")
    return key


def _keys_of(files: Sequence[File]) -> list[str]:
    if not files:
        raise Refused("", "There is no file.")
    if len(files) > settings.UPLOAD_MAX_FILES:
        raise TooMany("", f"At most {settings.UPLOAD_MAX_FILES} files at once.")
    names: dict[str, str] = {}
    for file in files:
        name = file.name or ""
        key = key_of(name)
        if key in names:
            raise Refused(name, f'Two files are called "{key}"; give one of them another name.')
        names[key] = name
    return list(names)


# Storing


def upload_source(corpus: Corpus) -> Source:
    """Where files of a corpus go when nobody says where: its first, made on first use."""
    if first := corpus.sources.filter(kind=Source.Kind.UPLOAD).order_by("pk").first():
        return first
    slug, number = f"{corpus.slug[:40]}-uploads", 1
    while Source.objects.filter(slug=slug).exists():
        number += 1
        slug = f"{corpus.slug[:40]}-uploads-{number}"
    return Source.objects.get_or_create(
        corpus=corpus, kind=Source.Kind.UPLOAD, location="", defaults={"slug": slug}
    )[0]


@contextmanager
def storing(source: Source, files: Sequence[File], by: str) -> Iterator[list[Upload]]:
    """Keep the files as documents of the source, all of them or none.

    The block is the end of the transaction that records them: put the work they make on record
    there, so that no file is forgotten. One of the same name takes the place of the older one, and
    comes back if it was deleted. Raises Refused (nothing was changed) or NotStored.
    """
    keys = _keys_of(files)
    with _written_aside(files) as parts:
        with transaction.atomic():
            Source.objects.select_for_update().get(pk=source.pk)
            before = set(source.uploads.filter(key__in=keys).values_list("stored_as", flat=True))
            _lock_files()
            for part in parts:
                part.move()
            failpoint("upload.stored")
            uploads = [
                Upload.objects.update_or_create(source=source, key=key, defaults=part.facts(by))[0]
                for key, part in zip(keys, parts, strict=True)
            ]
            Tombstone.objects.filter(source=source, key__in=keys).delete()
            audit.record(
                "documents.uploaded", target=f"source:{source.slug}", corpus=source.corpus,
                keys=keys, bytes=sum(part.size for part in parts),
            )  # fmt: skip
            yield uploads
        failpoint("upload.recorded")
        remove_files(before - {upload.stored_as for upload in uploads})


@dataclass(frozen=True)
class Part:
    """A file that was written aside: whole, but not yet in its place."""

    aside: str
    sha256: str
    size: int

    @property
    def name(self) -> str:
        return f"{self.sha256[:2]}/{self.sha256}"

    def facts(self, by: str) -> dict[str, object]:
        return {
            "stored_as": self.name, "sha256": self.sha256, "size": self.size,
            "uploaded_by": by[:200],
        }  # fmt: skip

    def move(self) -> None:
        """In one step, so that nothing half-written is ever seen under a name that rows use."""
        target = Path(_storage().path(self.name))
        try:
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.replace(_storage().path(self.aside), target)
        except OSError as error:
            raise NotStored(f"The file could not be stored: {error.strerror or error}.") from error


class _Measured(File):
    """Hashes and measures what is read from it, and stops at the limit."""

    def __init__(self, file: File) -> None:
        super().__init__(file.file, name=file.name)
        self.given, self.hash, self.length = file, hashlib.sha256(), 0

    def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
        for chunk in self.given.chunks(chunk_size):
            self.length += len(chunk)
            if self.length > settings.UPLOAD_MAX_BYTES:
                limit = f"{settings.UPLOAD_MAX_BYTES:,}"
                raise TooLarge(self.name or "", f"It has more than {limit} bytes; split it.")
            self.hash.update(chunk)
            yield chunk
        if not self.length:
            raise Refused(self.name or "", "It is empty.")


@contextmanager
def _written_aside(files: Sequence[File]) -> Iterator[list[Part]]:
    """Whatever was not moved by the end of the block is removed."""
    storage, parts, names = _storage(), [], []
    limit, total = settings.UPLOAD_MAX_TOTAL_BYTES, 0
    try:
        for file in files:
            measured = _Measured(file)
            names.append(f"{ASIDE}/{uuid4().hex}")
            storage.save(names[-1], measured)
            total += measured.length
            if total > limit:
                raise TooLarge("", f"Together they have more than {limit:,} bytes; send fewer.")
            _to_disk(storage.path(names[-1]))
            parts.append(Part(names[-1], measured.hash.hexdigest(), measured.length))
        yield parts
    except OSError as error:
        raise NotStored(f"The file could not be stored: {error.strerror or error}.") from error
    finally:
        for name in names:
            with suppress(OSError):
                storage.delete(name)


def _to_disk(path: str) -> None:
    """Before the row that names it: a machine that loses power must not keep the row alone."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def _storage() -> Storage:
    return storages["uploads"]


def _lock_files() -> None:
    """Until the end of the transaction. On SQLite only one transaction writes at a time anyway."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [UPLOADS_LOCK])


# Reading and removing


def open_file(upload: Upload) -> File:
    """Raises FileNotFoundError."""
    return _storage().open(upload.stored_as)


def remove_file(name: str) -> bool:
    """Unless a row names it. False: it should be gone, and is not."""
    with transaction.atomic():
        _lock_files()
        if Upload.objects.filter(stored_as=name).exists():
            return True
        with suppress(OSError):
            _storage().delete(name)
        return not _storage().exists(name)


def remove_files(names: Collection[str]) -> int:
    """How many are still there although no row names them."""
    return sum(not remove_file(name) for name in sorted(names))


def missing_files() -> list[Upload]:
    """Rows whose file is gone: they have to be uploaded again."""
    uploads = Upload.objects.select_related("source").iterator()
    return [upload for upload in uploads if not _storage().exists(upload.stored_as)]


def orphan_files(older_than: timedelta = OLD_ENOUGH) -> list[str]:
    """Files that no row names, but for young ones: somebody may be just storing them."""
    before, orphans = timezone.now() - older_than, []
    for folder in _folders():
        names = [f"{folder}/{name}" for name in _storage().listdir(folder)[1]]
        kept = set(Upload.objects.filter(stored_as__in=names).values_list("stored_as", flat=True))
        for name in names:
            with suppress(FileNotFoundError):  # moved into its place meanwhile
                if name not in kept and _storage().get_modified_time(name) < before:
                    orphans.append(name)
    return orphans


def _folders() -> list[str]:
    try:
        return sorted(_storage().listdir("")[0])
    except FileNotFoundError:  # nobody uploaded anything yet
        return []
