"""A Git repository over https: one branch or tag, without its history, read like a folder.

Nothing of it is executed: no hooks, filters or submodules, and only plain files are written.
Everything it fetches goes through the door that pages go through. Private repositories are not
read: clone them with your own credentials, and add the clone as a folder.
"""

import hashlib
import io
import os
import re
import shutil
import stat
import struct
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dulwich.client import AbstractHttpGitClient, default_user_agent_string
from dulwich.errors import (
    ApplyDeltaError,
    ChecksumMismatch,
    FileFormatException,
    GitProtocolError,
    HangupException,
    ObjectMissing,
    WrongObjectException,
)
from dulwich.index import (
    validate_path,
    validate_path_element_hfs,
    validate_path_element_ntfs,
)
from dulwich.object_store import (
    MaxTreeDepthExceeded,
    iter_tree_contents,
    peel_sha,
    tree_lookup_path,
)
from dulwich.objects import Blob, Commit, ObjectID
from dulwich.protocol import PEELED_TAG_SUFFIX
from dulwich.repo import Repo

from ingestion.fetching import Answer, Fetcher, FetchError, normalised
from ingestion.loaders.base import LoadError, RawDocument
from ingestion.loaders.files import FolderLoader
from ingestion.loaders.git_packs import PackTooLarge, check_sizes

PACK_BYTES = 300_000_000  # as it is sent
FILES, FILE_BYTES, TOTAL_BYTES = 50_000, 50_000_000, 1_000_000_000  # as they are written
SECONDS = 600.0
DEPTH = 100  # of folders
LIMITS = f"more than {FILES:,} files, {TOTAL_BYTES:,} bytes, or {FILE_BYTES:,} bytes in one file"
REF = re.compile(r"[\w][\w./+-]{0,200}")
BROKEN = (
    GitProtocolError, FileFormatException, WrongObjectException, ObjectMissing, ChecksumMismatch,
    ApplyDeltaError, MaxTreeDepthExceeded, zlib.error, struct.error, AssertionError, ValueError,
    KeyError, IndexError,
)  # fmt: skip
LOGIN = (
    "it does not exist, or it is private. Private repositories are not read: clone it with your "
    "own credentials and add the clone as a folder"
)


class GitLoader:
    """`paths()` fetches; then it is a FolderLoader over the files of `commit`.

    `cache` is a folder for this source alone. It holds the files of one commit, and a commit that
    is there already is not fetched again.
    """

    def __init__(
        self,
        url: str,
        *,
        cache: Path,
        fetcher: Fetcher,
        ref: str = "",
        folder: str = "",
        base_url: str = "",
        fallback_url: str = "",
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
    ) -> None:
        self.url, self.fetcher, self.cache = normalised(url.strip()), fetcher, Path(cache)
        if not self.url or not (self.url.startswith("https:") or fetcher.allowed.covers(self.url)):
            raise LoadError(
                f'"{url}" is no repository that can be read: give its https address, as in '
                "https://github.com/owner/name"
            )
        self.ref, self.folder = ref.strip(), folder.strip().strip("/")
        if self.ref and (not REF.fullmatch(self.ref) or ".." in self.ref):
            raise LoadError(f'"{ref}" is not the name of a branch or tag')
        self.base_url, self.fallback_url = base_url, fallback_url
        self.include, self.exclude = include, exclude
        self.commit = ""
        self.skipped: dict[str, str] = {}  # path to why it was not written
        self._files: FolderLoader | None = None

    @property
    def files(self) -> FolderLoader:
        """The checked-out folder; fetched when it is first asked for."""
        if self._files is None:
            self._files = FolderLoader(
                self._checked_out(), self.base_url, fallback_url=self.fallback_url,
                include=self.include, exclude=self.exclude,
            )  # fmt: skip
        return self._files

    def paths(self) -> Iterator[str]:
        return self.files.paths()

    def read(self, key: str) -> RawDocument:
        return self.files.read(key)

    def load(self) -> Iterator[RawDocument | LoadError]:
        return self.files.load()

    def _checked_out(self) -> Path:
        client = DoorClient(self.url, self.fetcher)
        try:
            wanted, self.commit = _tip(client, self.ref)
            # What of a commit is there depends on the sub-folder too.
            name = hashlib.sha256(f"{self.commit}:{self.folder}".encode()).hexdigest()[:20]
            place = self.cache / name
            if not place.is_dir():
                self._fetch(client, wanted, place)
        except FetchError as error:
            hint = f": {LOGIN}" if error.status in (401, 403, 404) else ""
            raise LoadError(f"{error}{hint}", retryable=error.retryable) from error
        except PackTooLarge as error:
            raise LoadError(f"{self.url} has {LIMITS}") from error
        except BROKEN as error:
            raise LoadError(
                f"{self.url} does not answer like a sound Git repository: {error!r}",
                retryable=isinstance(error, HangupException),
            ) from error
        except OSError as error:
            raise LoadError(f"the repository cannot be kept: {error.strerror or error}") from error
        self._forget_all_but(place)
        return place

    def _fetch(self, client: "DoorClient", wanted: bytes, place: Path) -> None:
        """Into a folder beside the place first: what is in the place is always whole."""
        self.cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.cache, prefix="fetching-") as name:
            bare, files = Path(name, "bare"), Path(name, "files")
            with Repo.init_bare(bare, mkdir=True) as repository, tempfile.TemporaryFile() as pack:
                client.fetch_pack(
                    b"", lambda refs, depth=None: [ObjectID(wanted)],
                    repository.get_graph_walker(), pack.write, depth=1,
                )  # fmt: skip
                pack.flush()
                check_sizes(pack, largest=FILE_BYTES, total=TOTAL_BYTES)
                pack.seek(0)
                repository.object_store.add_thin_pack(pack.read, None)
                self._write(repository, wanted, files)
            with suppress(FileExistsError):
                files.rename(place)

    def _write(self, repository: Repo, wanted: bytes, files: Path) -> None:
        store = repository.object_store
        try:
            _tag, commit = peel_sha(store, wanted)  # type: ignore[arg-type]
            if not isinstance(commit, Commit):
                raise LoadError(f"{self.ref or 'its tip'} of {self.url} is no commit")
            self.commit = commit.id.decode()
            tree = commit.tree
            if self.folder:
                mode, tree = tree_lookup_path(store.__getitem__, tree, os.fsencode(self.folder))
                if not stat.S_ISDIR(mode):
                    raise KeyError(self.folder)
        except KeyError as error:
            raise LoadError(
                f'there is no folder "{self.folder}" in {self.url} at {self.ref or "its tip"}'
            ) from error
        files.mkdir()
        written = 0
        for number, entry in enumerate(iter_tree_contents(store, tree, max_depth=DEPTH)):
            path, mode, sha = entry.path, entry.mode, entry.sha
            if number == FILES or written > TOTAL_BYTES:
                raise PackTooLarge
            name = path.decode("utf-8", "replace")
            if reason := _why_not(path, mode):
                self.skipped[name] = reason
                continue
            blob = store[sha]
            if not isinstance(blob, Blob):
                raise ValueError(f"{name} is no file")
            try:
                target = files / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("xb") as file:
                    written += file.write(blob.data)
                os.utime(target, (commit.commit_time, commit.commit_time))
            except OSError as error:  # a name too long, or both a file and a folder
                self.skipped[name] = str(error.strerror)

    def _forget_all_but(self, place: Path) -> None:
        """Also what a process left behind that was killed while it fetched."""
        for entry in self.cache.iterdir():
            if entry != place and not _is_recent(entry):
                shutil.rmtree(entry, ignore_errors=True)


def _is_recent(entry: Path) -> bool:
    """It may be another process's, at work right now."""
    with suppress(OSError):
        return time.time() - entry.stat().st_mtime < 2 * SECONDS
    return True


def _why_not(path: bytes, mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "a link; links are not followed"
    if not stat.S_ISREG(mode):
        return "a submodule; submodules are not read"
    try:
        path.decode("utf-8")
    except UnicodeDecodeError:
        return "its name is not UTF-8"
    safe = b"" not in path.split(b"/") and b"\\" not in path and b"\0" not in path
    for validator in (validate_path_element_ntfs, validate_path_element_hfs):
        safe = safe and validate_path(path, validator)
    return "" if safe else "its name would lead out of the folder"


def _tip(client: "DoorClient", ref: str) -> tuple[bytes, str]:
    """What to ask for, and the commit that it is or leads to."""
    names = [f"refs/heads/{ref}", f"refs/tags/{ref}"] if ref else ["HEAD"]
    told = client.get_refs(b"", ref_prefix=[name.encode() for name in names])
    refs = {bytes(name): tip for name, tip in told.refs.items()}
    for name in map(str.encode, names):
        if tip := refs.get(name):
            return tip, (refs.get(name + PEELED_TAG_SUFFIX) or tip).decode()
    url = client.get_url("")
    raise LoadError(
        f'{url} has no branch and no tag "{ref}"' if ref else f"{url} has no commit yet"
    )


class DoorClient(AbstractHttpGitClient):
    """dulwich's side of the protocol, with every request through the fetcher."""

    def __init__(self, url: str, fetcher: Fetcher) -> None:
        super().__init__(url, quiet=True)
        self.fetcher = fetcher
        self.ends_at = time.monotonic() + SECONDS

    def _http_request(  # type: ignore[override]
        self,
        url: str,
        headers: dict[str, str] | None = None,
        data: bytes | Iterator[bytes] | None = None,
        raise_for_status: bool = True,
    ) -> tuple["Body", Callable[[int], bytes]]:
        body = data if isinstance(data, bytes | None) else b"".join(data)
        opened = self.fetcher.open(
            "GET" if body is None else "POST",
            url,
            # Some servers look for a Git client.
            headers={"User-Agent": default_user_agent_string(), **(headers or {})},
            body=body,
            byte_limit=PACK_BYTES,
            total_seconds=max(self.ends_at - time.monotonic(), 1.0),
        )
        answer = opened.__enter__()
        try:
            if answer.status != 200:
                raise answer.failure()
            kind = answer.content_type[0]
            if not kind.startswith("application/x-git-"):
                # The protocol of old, file by file, is not spoken: it has no shallow fetch.
                raise FetchError(f"there is no Git repository at {self._base_url}")
            if urlsplit(answer.url).scheme != "https" and not self.fetcher.allowed.covers(
                answer.url
            ):
                raise FetchError(f"{url} leads to an address without https", refused=True)
        except FetchError:
            opened.__exit__(None, None, None)
            raise
        response = Body(opened, answer, moved=answer.url if answer.url != url else "")
        if body is None:
            response.read_all()
        return response, response.read


class Body:
    """What dulwich wants to see of a response."""

    def __init__(
        self, opened: AbstractContextManager[Answer], answer: Answer, *, moved: str
    ) -> None:
        self.content_type = answer.headers.get("content-type", "")
        self.redirect_location = moved
        self._opened = opened
        self.read = io.BufferedReader(Pieces(answer.pieces), buffer_size=65_536).read

    def read_all(self) -> None:
        """dulwich may ask the next thing before it closes a list of branches."""
        self.read = io.BytesIO(self.read()).read
        self.close()

    def close(self) -> None:
        self._opened.__exit__(None, None, None)


class Pieces(io.RawIOBase):
    """Of whatever length they come, as a file."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self.pieces, self.rest = pieces, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self.rest = self.rest or next(self.pieces, b"")
        size = min(len(buffer), len(self.rest))
        buffer[:size], self.rest = self.rest[:size], self.rest[size:]
        return size
