"""Files that were uploaded: the rows say which, the storage of uploads holds them."""

from collections.abc import Iterator

from documents.models import Source
from documents.reader import ADDRESS
from documents.uploads import open_file
from ingestion.loaders.base import LoadError, RawDocument
from ingestion.parsing.formats import media_type_of
from ingestion.parsing.routes import page_url


class UploadLoader:
    """No upload at all is no error: then all documents of the source are gone."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.base_url = source.base_url or f"{ADDRESS}{source.slug}"

    def paths(self) -> Iterator[str]:
        yield from self.source.uploads.order_by("key").values_list("key", flat=True)

    def load(self) -> Iterator[RawDocument | LoadError]:
        for key in self.paths():
            try:
                yield self.read(key)
            except LoadError as error:
                yield error

    def read(self, key: str) -> RawDocument:
        upload = self.source.uploads.filter(key=key).first()
        if upload is None:
            raise LoadError(f"nobody uploaded {key}, or it was deleted", key=key)
        media_type = media_type_of(key)
        if media_type is None:
            raise LoadError(f"{key} is not a kind of document that can be read", key=key)
        try:
            with open_file(upload) as file:
                content = file.read()
        except FileNotFoundError as error:
            if self.source.uploads.filter(key=key).exclude(stored_as=upload.stored_as).exists():
                return self.read(key)  # replaced just now, and its old file removed
            raise LoadError(
                f"the file of {key} is missing from the stored uploads; upload it again", key=key
            ) from error
        except OSError as error:
            raise LoadError(
                f"cannot read {key}: {error.strerror or error}", key=key, retryable=True
            ) from error
        document = RawDocument(
            key=key,
            content=content,
            media_type=media_type,
            url=page_url(self.base_url, key),
            modified_at=upload.updated_at,
        )
        if document.content_hash != upload.sha256:
            raise LoadError(f"the stored file of {key} is damaged; upload it again", key=key)
        return document
