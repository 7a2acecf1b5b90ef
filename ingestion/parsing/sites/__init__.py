"""Which generator publishes a folder, told by the configuration it keeps there."""

from collections.abc import Callable, Iterator

from ingestion.parsing.routes import Site, inside
from ingestion.parsing.sites.docusaurus import find_docusaurus
from ingestion.parsing.sites.folder import Folder
from ingestion.parsing.sites.hugo import find_hugo
from ingestion.parsing.sites.mdbook import find_mdbook
from ingestion.parsing.sites.mkdocs import find_mkdocs, find_translations
from ingestion.parsing.sites.plain import PlainSite

FINDERS: tuple[Callable[[Folder, str], Site | None], ...] = (
    find_docusaurus,
    find_mkdocs,
    find_mdbook,
    find_hugo,
)
NESTED_DEPTH = 2  # website/, or docs/en/
FOLDERS_LIMIT = 2_000


class Sites:
    """The sites of one source: one for the whole of it, or those found in its sub-folders."""

    def __init__(self, folder: Folder):
        root = find_site(folder, "")
        self.sites = [root] if root else list(_nested(folder))
        self.plain = PlainSite()

    @property
    def only(self) -> Site | None:
        """The one site that there is, if it is one."""
        return self.sites[0] if len(self.sites) == 1 else None

    def of(self, key: str) -> Site:
        """The site whose folder holds this file most closely."""
        best: Site = self.plain
        length = -1
        for site in self.sites:
            for folder in site.folders:
                if len(folder) > length and inside(key, folder) is not None:
                    best, length = site, len(folder)
        return best


def find_site(folder: Folder, place: str) -> Site | None:
    return next((site for find in FINDERS if (site := find(folder, place))), None)


def _nested(folder: Folder) -> Iterator[Site]:
    places, looked_at = [("", 0)], 0
    while places:
        place, depth = places.pop(0)
        looked_at += 1
        site = find_site(folder, place) if place else None
        if site:
            yield site
            yield from find_translations(folder, site)
        elif depth < NESTED_DEPTH and looked_at < FOLDERS_LIMIT:
            places += ((name, depth + 1) for name in folder.folders(place))
