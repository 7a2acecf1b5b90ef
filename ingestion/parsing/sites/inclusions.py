"""What one page takes from other files: within the source, never in a circle, never without end."""

from collections.abc import Sequence

from ingestion.parsing.routes import Included
from ingestion.parsing.sites.folder import Folder, Unreadable

DEPTH_LIMIT = 10  # files within files: what mdBook allows, too
COUNT_LIMIT = 500
SIZE_LIMIT = 1_000_000  # characters taken in all
TOO_LONG = "the page would grow too long"


class PageInclusions:
    """Keeps count for one page. `warnings` says what was left out, each once."""

    def __init__(self, folder: Folder):
        self.folder = folder
        self.warnings: list[str] = []
        self.count = self.size = 0

    def text(
        self, candidates: Sequence[str], *, chain: tuple[str, ...], named: str
    ) -> Included | None:
        """The first of the candidates that can be read; None when it has to be left out."""
        reason = ""
        self.count += 1
        if self.count > COUNT_LIMIT:  # before any file is opened
            candidates, reason = (), TOO_LONG
        for key in candidates:
            if key in chain:
                reason = "it includes itself"
                break
            if len(chain) > DEPTH_LIMIT:
                reason = "too many files within files"
                break
            try:
                text = self.folder.text(key)
            except Unreadable as error:
                reason = reason or str(error)
                continue
            self.size += len(text)
            if self.size > SIZE_LIMIT:
                reason = TOO_LONG
                break
            return Included(key, text, (*chain, key))
        self._leave_out(named, reason or "there is no such file")
        return None

    def _leave_out(self, named: str, reason: str) -> None:
        warning = f"left out: {named[:200]} ({reason})"
        if warning not in self.warnings and len(self.warnings) < 20:
            self.warnings.append(warning)
