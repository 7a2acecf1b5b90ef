"""Does every address we give exist? Builds a real Docusaurus site and holds its HTML against ours.

    python -m tests.campaigns.docusaurus_site [--slash unset|true|false] [--keep FOLDER]

First its sources are read as a folder, then the built site is served on loopback, read by its
sitemaps and asked (tests/campaigns/docusaurus_crawl.py). Needs node and npm. `--keep` uses a folder
again, so that the packages are installed only once.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ingestion.chunking import chunk_by_section
from ingestion.loaders.base import LoadError, RawDocument
from ingestion.loaders.files import FolderLoader
from ingestion.parsing import parse
from tests.campaigns import docusaurus_crawl
from tests.campaigns.built_site import Host, pages_of, sitemap_paths

SOURCES = Path(__file__).with_name("docusaurus_site")
BASE_PATH = "/point"
NEEDED = 0.99
SLASHES = {"unset": "undefined", "true": "true", "false": "false"}
GENERATED = re.compile(r"/(?:tags|archive|page|authors|all-about-keeping)(?:/|$)|log$|logbook$")
UNLISTED = "/hidden"


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--slash", choices=SLASHES, default="unset")
    arguments.add_argument("--keep", type=Path)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as temporary, Host(BASE_PATH) as host:
        site = chosen.keep or Path(temporary, "site")
        build(site, trailing_slash=SLASHES[chosen.slash], url=host.origin)
        docusaurus_crawl.prepare(Path(temporary), host)
        good = [report(site), docusaurus_crawl.report(site / "build", host)]
    return 0 if all(good) else 1


def build(site: Path, *, trailing_slash: str, url: str) -> None:
    """npm install and docusaurus build, of a copy of the sources, for where it will be served."""
    begun = time.monotonic()
    shutil.copytree(SOURCES, site, dirs_exist_ok=True)
    config = site / "docusaurus.config.js"
    written = config.read_text().replace("https://harrow-point.example.org", url)
    config.write_text(
        written.replace("trailingSlash: undefined", f"trailingSlash: {trailing_slash}")
    )
    shutil.rmtree(site / "build", ignore_errors=True)
    if not (site / "node_modules").is_dir():
        subprocess.run(["npm", "install", "--no-audit", "--no-fund"], cwd=site, check=True)
    subprocess.run(["npx", "docusaurus", "build"], cwd=site, check=True)
    print(f"built in {time.monotonic() - begun:.0f} seconds, trailingSlash {trailing_slash}")


def report(site: Path) -> bool:
    """Prints what is missing; false below 99 % of the addresses, or when a page is lost."""
    built = pages_of(site / "build", BASE_PATH)
    exact = set(sitemap_paths(site / "build"))
    given: list[tuple[str, str]] = []
    covered: set[str] = set()
    for raw in documents(site):
        path = unquote(urlsplit(raw.url).path)
        covered.add(path.rstrip("/"))
        if path not in exact:
            print(f"not in the sitemap: {path} ({raw.key})")
        given += [(path, chunk.anchor) for chunk in chunk_by_section(parse(raw))]
    missing = [
        (path, anchor)
        for path, anchor in given
        if path not in exact or (anchor and anchor not in built[path.rstrip("/")].ids)
    ]
    lost = sorted(path for path in built.keys() - covered if not accounted_for(path, covered))
    for path, anchor in missing:
        print(f"does not exist: {path}#{anchor}")
    share = 1 - len(missing) / len(given)
    print(f"as a folder: {len(given) - len(missing)} of {len(given)} addresses exist ({share:.1%})")
    print(f"{len(covered)} pages read; pages of the site that no file gave: {lost or 'none'}")
    return share >= NEEDED and not lost


def accounted_for(path: str, covered: set[str]) -> bool:
    """Made by the site itself, hidden on purpose, or the untranslated text in another language."""
    if GENERATED.search(path) or path.endswith((UNLISTED, "404.html")):
        return True
    return path.replace(f"{BASE_PATH}/fr", BASE_PATH, 1) in covered


def documents(site: Path) -> Iterator[RawDocument]:
    loader = FolderLoader(site, exclude=["build/**", "package*.json"])
    for entry in loader.load():
        if isinstance(entry, RawDocument):
            yield entry
        elif type(entry) is LoadError:
            raise entry


if __name__ == "__main__":
    sys.exit(main())
