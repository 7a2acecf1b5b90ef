"""All hostile files, in groups that are each tried in one process; and good ones beside them."""

from tests.hostile import archives
from tests.hostile.archive_cases import ARCHIVES
from tests.hostile.case import Case
from tests.hostile.pdf_cases import ONE_PAGE, PDFS
from tests.hostile.text_cases import FRONT_MATTER, TEXTS, notebook, patterned, text

GROUPS: dict[str, dict[str, Case]] = {
    "PDF": PDFS,
    "archive": ARCHIVES,
    "front matter": FRONT_MATTER,
    "text": TEXTS,
    **{
        f"{suffix} of one pattern": patterned(suffix)
        for suffix in ("md", "mdx", "html", "rst", "txt")
    },
}
# Beside the others, each must be read as ever.
GOOD = {
    "a good PDF": Case("good.pdf", lambda: ONE_PAGE),
    "a good Word document": Case("good.docx", archives.docx),
    "good slides": Case("good.pptx", archives.pptx),
    "good Markdown": Case("good.md", text("# A\n\nA light above the sea.\n")),
    "a good web page": Case("good.html", text("<h1>A</h1><p>A light above the sea.</p>")),
    "good reST": Case("good.rst", text("A\n=\n\nA light above the sea.\n")),
    "a good notebook": Case(
        "good.ipynb", notebook(cell_type="markdown", source="A light above the sea.")
    ),
    "a good text": Case("good.txt", text("A light above the sea.\n")),
}
