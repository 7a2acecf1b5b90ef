"""Does every address we give exist? Builds a real Docusaurus site and holds its HTML against ours.

    python -m tests.campaigns.docusaurus_site [--slash unset|true|false] [--keep FOLDER]

Needs node and npm. `--keep` uses a folder again, so that the packages are installed only once.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lxml import html

from ingestion.chunking import chunk_by_section
from ingestion.loaders.base import LoadError, RawDocument
from ingestion.loaders.files import FolderLoader
from ingestion.parsing import parse

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
    with tempfile.TemporaryDirectory() as temporary:
        site = chosen.keep or Path(temporary)
        build(site, trailing_slash=SLASHES[chosen.slash])
        return report(site)


def build(site: Path, *, trailing_slash: str) -> None:
    """npm install and docusaurus build, of a copy of the sources."""
    shutil.copytree(SOURCES, site, dirs_exist_ok=True)
    config = site / "docusaurus.config.js"
    config.write_text(
        config.read_text().replace("trailingSlash: undefined", f"trailingSlash: {trailing_slash}")
    )
    shutil.rmtree(site / "build", ignore_errors=True)
    if not (site / "node_modules").is_dir():
        subprocess.run(["npm", "install", "--no-audit", "--no-fund"], cwd=site, check=True)
    subprocess.run(["npx", "docusaurus", "build"], cwd=site, check=True)


def report(site: Path) -> int:
    """Prints what is missing; 1 when less than 99 % of the addresses exist, or a page is lost."""
    built = dict(anchors_of_pages(site / "build"))
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
        if path not in exact or (anchor and anchor not in built.get(path.rstrip("/"), ()))
    ]
    lost = sorted(path for path in built.keys() - covered if not accounted_for(path, covered))
    for path, anchor in missing:
        print(f"does not exist: {path}#{anchor}")
    share = 1 - len(missing) / len(given)
    print(f"{len(given) - len(missing)} of {len(given)} addresses exist ({share:.1%})")
    print(f"{len(covered)} pages read; pages of the site that no file gave: {lost or 'none'}")
    return 0 if share >= NEEDED and not lost else 1


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


def anchors_of_pages(build_folder: Path) -> Iterator[tuple[str, set[str]]]:
    """Of each built page its path, without a slash at its end, and the ids in it."""
    for file in build_folder.rglob("*.html"):
        route = f"{BASE_PATH}/{file.relative_to(build_folder).as_posix()}"
        route = route.removesuffix("index.html") if file.name == "index.html" else route
        tree = html.fromstring(file.read_bytes())
        path = route if file.name == "404.html" else route.removesuffix(".html").rstrip("/")
        yield path, set(tree.xpath("//@id"))


def sitemap_paths(build_folder: Path) -> Iterator[str]:
    for sitemap in build_folder.rglob("sitemap.xml"):
        for address in re.findall(r"<loc>([^<]+)</loc>", sitemap.read_text()):
            yield unquote(urlsplit(unescape(address)).path)


if __name__ == "__main__":
    sys.exit(main())
