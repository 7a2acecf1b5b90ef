"""Does a chunk stand in the file it was made of? Asked without the parsers' own means."""

import os
import re
import zipfile
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

from ingestion.chunking import chunk_by_section

CORPORA = Path(
    os.environ.get("EVAL_CORPORA")
    or Path(__file__).resolve().parents[3] / "shared" / "eval" / "corpora"
)
# List marks, fences and the rule of a table; what cells, code and formulas are written with.
MARKS = re.compile(r"^\s*(?:(?:-|\d+\.)\s+)*|^\s*`{3,}\S*$|^\|(?: --- \|)+$")
SIGNS = re.compile(r"[\s`|\\^_/√∫();\u00ad\u200b\u2060\ufeff]+")
RAW = re.compile(r"</?[a-zA-Z][^<>]*>|&(?:[a-z]+|#\d+);")
CODE = re.compile(r"^(?P<lead>\s*(?:- |\d+\. )*)(`{3,}).*?^\s*\2\s*$|`[^`\n]+`", re.M | re.S)


class PageText(HTMLParser):
    """All text of a page but that of scripts, with what pictures say in their place."""

    def __init__(self, html, *, alts):
        super().__init__()
        self.alts, self.silent, self.pieces = alts, [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        classes = (values.get("class") or "").split()
        reference = tag == "sup" and {"reference", "noprint"} & set(classes)
        if self.silent:
            self.silent += [tag] * (tag == self.silent[0])
        elif tag in ("script", "style", "title") or reference:
            self.silent.append(tag)
        elif tag == "img" and self.alts:
            self.pieces.append(values.get("alt") or "")

    def handle_endtag(self, tag):
        if self.silent and tag == self.silent[0]:
            self.silent.pop()

    def handle_data(self, data):
        if not self.silent:
            self.pieces.append(data)


def text_of_html(html):
    return [squeezed("".join(PageText(html, alts=alts).pieces)) for alts in (False, True)]


def text_of_docx(path):
    """Every `<t>` of the body in order: words, formulas (and their signs) and text boxes alike."""
    texts = []
    with zipfile.ZipFile(path) as archive:
        for name in ("word/document.xml", "word/footnotes.xml", "word/endnotes.xml"):
            if name in archive.namelist():
                root = ElementTree.fromstring(archive.read(name))
                for element in root.iter():
                    if element.tag.endswith("}t"):
                        texts.append(element.text or "")
                    elif element.tag.endswith("}naryPr"):
                        signs = (sign for sign in element if sign.tag.endswith("}chr"))
                        texts += [value for sign in signs for value in sign.attrib.values()]
                texts += [e.get("descr", "") for e in root.iter() if e.tag.endswith("}docPr")]
    return [squeezed("".join(texts))]


def squeezed(text):
    return SIGNS.sub("", text)


def foreign_lines(chunk, texts):
    """The lines of a chunk that none of the texts holds."""
    lines = (MARKS.sub("", line) for line in chunk.text.splitlines())
    return [line for line in lines if not any(squeezed(line) in text for text in texts)]


def raw_markup(chunk):
    return RAW.findall(CODE.sub("", chunk.text))


def check(parsed, texts):
    """Chunks, those with foreign lines, those with raw markup outside of code."""
    chunks = chunk_by_section(parsed)
    foreign = [lines for chunk in chunks if (lines := foreign_lines(chunk, texts))]
    return len(chunks), foreign, [raw for chunk in chunks if (raw := raw_markup(chunk))]
