"""A folder that no generator publishes: a page lies where its file lies."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from ingestion.parsing.formats import MARKDOWN, MDX, REST, media_type_of
from ingestion.parsing.routes import PLAIN, Inclusions, Page, refuse_drafts

WRITTEN = (MARKDOWN, MDX, REST)  # no server shows these as they are; whatever shows them, drops .md


class PlainSite:
    kind, url, base_path, folders = PLAIN, "", "/", ("",)

    def page(self, key: str, front_matter: Mapping[str, Any]) -> Page:
        refuse_drafts(front_matter)
        if media_type_of(key) in WRITTEN:
            return Page(str(PurePosixPath(key).with_suffix("")))
        return Page(key)

    def expanded(self, key: str, text: str, inclusions: Inclusions) -> str:
        return text
