"""What is written down is so: settings, defaults, links."""

import ast
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from ingestion.parsing.markdown import parse_markdown
from tests.processes import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("clients/*/*.md")])
LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
NAME = re.compile(r"`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?:=[^`]*)?`")

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def variables_of_settings():
    """Each variable that settings.py reads, with its default."""
    found = {}
    for node in ast.walk(ast.parse((ROOT / "ragsite" / "settings.py").read_text())):
        if not isinstance(node, ast.Call):
            continue
        reader = node.func.value if isinstance(node.func, ast.Attribute) else node.func
        if isinstance(reader, ast.Name) and reader.id == "env":
            name, (default,) = node.args[0].value, [k.value for k in node.keywords]
            found[name] = ast.literal_eval(default)
    return found


def variables_of_the_example():
    """Each variable in .env.example, with its value."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def written(default):
    """A default as it would stand in the file."""
    if isinstance(default, bool):
        return str(int(default))
    if isinstance(default, list):
        return ",".join(default)
    return f"{default:g}" if isinstance(default, float) else str(default)


# Settings


def test_every_variable_is_in_the_example_and_no_other():
    assert sorted(variables_of_the_example()) == sorted(variables_of_settings())


def test_the_example_has_the_defaults():
    expected = {name: written(default) for name, default in variables_of_settings().items()}
    assert variables_of_the_example() == expected


def test_nothing_else_reads_the_environment():
    readers = re.compile(
        r"os\.environ\b(?!\.setdefault\(\"DJANGO_SETTINGS_MODULE\")|os\.getenv|Env\("
    )
    found = [
        str(path.relative_to(ROOT))
        for package in ("ragsite", "documents", "ingestion", "chat")
        for path in (ROOT / package).rglob("*.py")
        if readers.search(path.read_text())
    ]
    assert found == ["ragsite/settings.py"]


def test_every_variable_is_explained_in_the_handbook():
    text = "".join(page.read_text() for page in (ROOT / "docs" / "handbook").rglob("*.md"))
    explained = set(NAME.findall(text)) | set(re.findall(r"`([A-Z]+)`", text))
    assert sorted(variables_of_settings().keys() - explained) == []


@pages
def test_a_variable_that_is_named_exists(page):
    named = {name for name in NAME.findall(page.read_text()) if not name.startswith("DJANGO_")}
    assert sorted(named - variables_of_settings().keys()) == []


# Figures

GENERATED = re.compile(r"<!-- generated: (\w+) -->.*?<!-- end of \1 -->", re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")


def test_every_figure_about_quality_is_generated():
    page = (ROOT / "docs" / "quality.md").read_text()
    assert set(GENERATED.findall(page)) == {"targets", "how", "gate", "claims", "figures"}
    prose = CODE.sub("", FENCE.sub("", GENERATED.sub("", page)))
    assert re.findall(r"[^\n]*\d[^\n]*", prose) == []


def test_the_generated_figures_say_where_they_come_from():
    page = (ROOT / "docs" / "quality.md").read_text()
    blocks = {found[1]: found[0] for found in GENERATED.finditer(page)}
    assert re.search(r"commit [0-9a-f]{7,}\+?, .*cores", blocks["how"])
    assert "manage.py evaluate benchmarks/handbook_questions.jsonl" in blocks["how"]
    assert "### handbook" in blocks["figures"]


# Pages


@pages
def test_no_page_names_a_path_of_one_machine(page):
    assert re.findall(r"(?<![\w/])/(?:work|root|home)/\S*", page.read_text()) == []


@pages
def test_links_inside_of_the_project_lead_somewhere(page):
    broken = [
        link for link in LINK.findall(FENCE.sub("", page.read_text())) if not leads(page, link)
    ]
    assert broken == []


def leads(page: Path, link: str) -> bool:
    target = urlsplit(link)
    if target.scheme or target.netloc:
        return True
    path = (page.parent / unquote(target.path)).resolve() if target.path else page
    if not path.exists() or not path.is_relative_to(ROOT):
        return False
    return not (target.fragment and path.suffix == ".md") or target.fragment in anchors(path)


def anchors(page: Path) -> set[str]:
    parsed = parse_markdown(page.read_text(), key=page.name)
    return {section.anchor for section in parsed.sections}
