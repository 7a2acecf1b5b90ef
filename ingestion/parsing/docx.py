"""Word documents to sections: mammoth makes HTML of them, and that is read.

Headings get anchors by GitHub's rule, for our own reader: nobody else shows the file as a page.
Text that was deleted under "track changes" and comments are left out, formulas become text.
"""

import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import replace

from lxml import etree

from ingestion.parsing import formulas
from ingestion.parsing.base import ParsedDocument, ParseError
from ingestion.parsing.html import parse_fragment
from ingestion.parsing.markdown import readable_name
from ingestion.parsing.ooxml import open_package, read_properties, read_xml
from ingestion.parsing.slugs import GithubAnchors

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
STRICT_W = "{http://purl.oclc.org/ooxml/wordprocessingml/main}"
M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
STRICT_M = "{http://purl.oclc.org/ooxml/officeDocument/math}"
ALTERNATES = "{http://schemas.openxmlformats.org/markup-compatibility/2006}AlternateContent"
FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
VML = "{urn:schemas-microsoft-com:vml}"
BODIES = re.compile(r"word/(?:document\d*|footnotes|endnotes)\.xml")

CODE_STYLES = ("Code", "Source Code", "HTML Preformatted", "Preformatted Text", "Code Block")
CODE_RUNS = ("Code", "Verbatim Char", "HTML Code", "Code Char", "Source Text", "Inline Code")
QUOTES = ("Quote", "Intense Quote", "Quotations", "Block Text")
STYLES = "\n".join((
    "p[style-name='Title'] => h1:fresh",
    *(f"p[style-name='{name}'] => pre:separator('\\n')" for name in CODE_STYLES),
    *(f"r[style-name='{name}'] => code" for name in CODE_RUNS),
    *(f"p[style-name='{name}'] => blockquote > p:fresh" for name in QUOTES),
))  # fmt: skip
# Word's elements by what MathML calls them; `e` is the base, the others say what they are.
FORMULAS = {"sSup": ("msup", "e", "sup"), "sSub": ("msub", "e", "sub"),
            "sSubSup": ("msubsup", "e", "sub", "sup"), "f": ("mfrac", "num", "den"),
            "rad": ("mroot", "e", "deg")}  # fmt: skip
DEPTH = 50


def parse_docx(content: bytes, *, key: str) -> ParsedDocument:
    """To be run where memory and time are limited. Raises ParseError."""
    import mammoth

    archive = open_package(content)
    metadata = read_properties(archive)
    try:
        result = mammoth.convert_to_html(
            _simplified(archive),
            style_map=f"{STYLES}\n{_heading_styles(archive)}",
            include_embedded_style_map=False,  # the file would decide how it is read
            convert_image=mammoth.images.img_element(lambda image: {"src": ""}),
        )
    except RecursionError as error:
        raise ParseError("The document is nested too deeply.") from error
    except Exception as error:  # mammoth raises whatever a damaged part leads it to
        raise ParseError(f"The Word document cannot be read: {error}") from error
    title = metadata.get("title") or readable_name(key)
    parsed = parse_fragment(
        result.value, title=title, language=metadata.get("lang"), metadata=metadata
    )
    return _with_anchors(_titled(parsed, metadata))


def _titled(parsed: ParsedDocument, metadata: dict) -> ParsedDocument:
    """Without a title in its properties, the document's own first heading is one."""
    first = next((s for s in parsed.sections if s.level == 1 and len(s.heading_path) > 1), None)
    if metadata.get("title") or first is None:
        return parsed
    title = first.heading_path[1]

    def renamed(path: tuple[str, ...]) -> tuple[str, ...]:
        return (title, *path[2:]) if path[1:2] == (title,) else (title, *path[1:])

    sections = (replace(s, heading_path=renamed(s.heading_path)) for s in parsed.sections)
    return replace(parsed, title=title, sections=tuple(sections))


def _with_anchors(parsed: ParsedDocument) -> ParsedDocument:
    anchors = GithubAnchors()
    sections = (
        replace(s, anchor=anchors.anchor(s.heading_path[-1], None)) if s.level else s
        for s in parsed.sections
    )
    return replace(parsed, sections=tuple(sections))


def _heading_styles(archive: zipfile.ZipFile) -> str:
    """Styles of one's own that Word's outline takes for headings."""
    root = read_xml(archive, "word/styles.xml")
    if root is None:
        return ""
    w = W if root.tag.startswith(W) else STRICT_W
    styles = {style.get(f"{w}styleId"): style for style in root.iter(f"{w}style")}
    lines = []
    for style in styles.values():
        name = style.find(f"{w}name")
        level = _outline_level(style, styles, w)
        if name is not None and level is not None and style.get(f"{w}type") == "paragraph":
            written = name.get(f"{w}val", "").replace("\\", "\\\\").replace("'", "\\'")
            lines.append(f"p[style-name='{written}'] => h{level}:fresh")
    return "\n".join(line for line in lines if "\n" not in line)


def _outline_level(
    style: etree._Element | None, styles: dict[str | None, etree._Element], w: str
) -> int | None:
    for _ in range(20):  # a style may be based on itself
        if style is None:
            return None
        level = style.find(f"{w}pPr/{w}outlineLvl")
        if level is not None:
            value = level.get(f"{w}val", "")
            return int(value) + 1 if value in ("0", "1", "2", "3", "4", "5") else None
        base = style.find(f"{w}basedOn")
        style = styles.get(base.get(f"{w}val")) if base is not None else None
    return None


def _simplified(archive: zipfile.ZipFile) -> io.BytesIO:
    """The same file with what mammoth leaves out made plain, and without the pictures."""
    simplified = io.BytesIO()
    with zipfile.ZipFile(simplified, "w") as target:
        for name in archive.namelist():
            if BODIES.fullmatch(name) and (root := read_xml(archive, name)) is not None:
                target.writestr(name, _simplified_part(root))
            elif name.endswith((".xml", ".rels")):
                target.writestr(name, archive.read(name))
            elif name.startswith("word/media/"):
                target.writestr(name, b"")
    simplified.seek(0)
    return simplified


def _simplified_part(root: etree._Element) -> bytes:
    w, m = (W, M) if root.tag.startswith(W) else (STRICT_W, STRICT_M)
    for moved in list(root.iter(f"{w}moveFrom")):
        _replace(moved, None)
    for tag in (f"{m}oMathPara", f"{m}oMath"):
        for equation in list(root.iter(tag)):
            run = etree.Element(f"{w}r")
            etree.SubElement(
                run, f"{w}t", {"{http://www.w3.org/XML/1998/namespace}space": "preserve"}
            )
            run[0].text = _formula(equation, m)
            _replace(equation, run)
    for alternate in list(root.iter(ALTERNATES)):
        box = next(alternate.iter(f"{w}txbxContent"), None)
        if alternate.find(FALLBACK) is None and box is not None:
            picture = etree.Element(f"{w}pict")
            etree.SubElement(etree.SubElement(picture, f"{VML}shape"), f"{VML}textbox").append(box)
            _replace(alternate, picture)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", standalone=True)


def _replace(element: etree._Element, other: etree._Element | None) -> None:
    parent = element.getparent()
    if parent is not None and other is not None:
        parent.replace(element, other)
    elif parent is not None:
        parent.remove(element)


def _formula(element: etree._Element, m: str, depth: int = 0) -> str:
    """On one line, as people type it."""
    name = etree.QName(element).localname
    if name == "t" or depth > DEPTH:
        return "".join(element.itertext())
    if name.endswith("Pr"):  # how it looks
        return ""
    if name in FORMULAS:
        tag, *roles = FORMULAS[name]
        found = [element.find(m + role) for role in roles]
        parts = ["".join(_parts(part, m, depth)) for part in found if part is not None]
        return formulas.written(tag, parts)
    if name == "d":
        return f"({''.join(_parts(element, m, depth))})"
    if name in ("mr", "m", "eqArr"):
        return " ".join(_parts(element, m, depth)) + (";" if name == "mr" else "")
    if name == "func":  # sin x
        return " ".join(_parts(element, m, depth))
    if name == "nary":  # a sum, a product, an integral
        sign = element.find(f"{m}naryPr/{m}chr")
        symbol = sign.get(f"{m}val", "∫") if sign is not None else "∫"
        below, above, base = (
            "".join(_parts(part, m, depth)) if part is not None else ""
            for part in map(element.find, (f"{m}sub", f"{m}sup", f"{m}e"))
        )
        symbol = formulas.index(symbol, below) if below else symbol
        return f"{formulas.power(symbol, above) if above else symbol} {base}"
    return formulas.row(*_parts(element, m, depth))


def _parts(element: etree._Element, m: str, depth: int) -> Iterator[str]:
    for child in element:
        if isinstance(child.tag, str) and (text := _formula(child, m, depth + 1)):
            yield text
