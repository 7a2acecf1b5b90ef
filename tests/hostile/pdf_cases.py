"""PDFs that lie, loop, swell or carry something to run."""

from tests.hostile import pdfs
from tests.hostile.case import Case

MB = 1_000_000


def form_page(content: bytes, forms: dict[int, tuple[str, str]]) -> bytes:
    """A page that draws forms, which draw forms."""
    page = (
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 6 0 R "
        "/Resources << /XObject << /X 100 0 R >> >> >>"
    )
    others: dict[str, str | bytes] = {"_5": page}
    for number, (drawn, resources) in forms.items():
        entries = f"/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << {resources} >>"
        others[f"_{number}"] = pdfs.stream(drawn.encode(), entries)
    return pdfs.one_page(content, **others)


ONE_PAGE = pdfs.pdf([pdfs.prose("A light above the sea.")])
TREE = "<< /Type /Catalog /Pages 2 0 R >>"
WORDS = pdfs.text_page(pdfs.prose("x"))
TWICE = "/Filter [/FlateDecode /FlateDecode]"
DRAWS_ITSELF = {100: ("/X Do /X Do", "/XObject << /X 100 0 R >>")}
DRAWS_TEN = {n: ("/X Do " * 10, f"/XObject << /X {n + 1} 0 R >>") for n in range(100, 112)}

PDFS = {
    "a password": Case("a.pdf", lambda: pdfs.encrypted("sesame"), "protected by a password"),
    "cut short": Case("a.pdf", lambda: ONE_PAGE[: len(ONE_PAGE) // 2], "is a damaged PDF"),
    "noise after its mark": Case(
        "a.pdf", lambda: b"%PDF-1.7\n" + bytes(range(256)) * 4000, "damaged"
    ),
    "no page": Case("a.pdf", lambda: pdfs.pdf([]), "is a"),
    "50,000 pages": Case("a.pdf", lambda: pdfs.many_pages(50_000)),
    "a tree of 20,000 levels": Case("a.pdf", lambda: pdfs.deep_page_tree(20_000), "holds no text"),
    "a tree that holds itself": Case(
        "a.pdf",
        lambda: pdfs.pdf_of({1: TREE, 2: pdfs.page_tree([2, 2, 2], 100_000)}),
        "holds no text",
    ),
    "two billion pages declared": Case(
        "a.pdf",
        lambda: pdfs.one_page(WORDS, _2=pdfs.page_tree([5], 2 * 10**9)),
    ),
    "fewer than no pages": Case("a.pdf", lambda: pdfs.one_page(WORDS, _2=pdfs.page_tree([5], -5))),
    "a gigabyte of spaces": Case(
        "a.pdf",
        lambda: pdfs.one_page(pdfs.deflated_zeros(1 << 30), "/Filter /FlateDecode"),
        "640 MB",
    ),
    "a gigabyte packed twice": Case(
        "a.pdf",
        lambda: pdfs.one_page(pdfs.deflated_zeros(1 << 30, 2), TWICE),
        "640 MB",
    ),
    "a form that draws itself": Case(
        "a.pdf",
        lambda: form_page(b"/X Do", DRAWS_ITSELF),
        "need",
    ),
    "a tree of forms": Case(
        "a.pdf",
        lambda: form_page(b"/X Do", DRAWS_TEN),
        "need",
    ),
    "five million brackets": Case("a.pdf", lambda: pdfs.one_page(b"[" * 5 * MB)),
    "five million saved states": Case("a.pdf", lambda: pdfs.one_page(b"q " * 5 * MB)),
    "ten million letters on a page": Case(
        "a.pdf", lambda: pdfs.one_page(pdfs.text_page([("word " * 20, 1, 9, 9)] * 100_000))
    ),
    "bookmarks in a circle": Case(
        "a.pdf",
        lambda: pdfs.pdf(
            [pdfs.prose("A light above the sea.")],
            catalog="/Outlines 5 0 R",
            extra={
                5: "<< /First 6 0 R /Last 6 0 R >>",
                6: "<< /Title (a) /Parent 5 0 R /Next 6 0 R /First 6 0 R /Dest [10 0 R /Fit] >>",
            },
        ),
    ),
    "a script, an address and a program to start": Case(
        "a.pdf",
        lambda: pdfs.pdf(
            [pdfs.prose("A light above the sea.")],
            catalog="/OpenAction << /S /JavaScript /JS (app.launchURL('http://127.0.0.1:9/')) "
            "/Next << /S /Launch /F (/bin/sh) >> >>",
        ),
    ),
    "also a web page": Case("a.pdf", lambda: b"<html><script>1</script>\n" + ONE_PAGE),
}
