"""Writes PDFs object by object, sound ones and others."""

import hashlib
import zlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle

PADDING = bytes.fromhex("28BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A")
FONT = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
IDENTIFIER = bytes(range(16))
Line = tuple[str, float, float, float]  # text, size, x, y


def pdf_of(objects: Mapping[int, str | bytes], trailer: str = "/Root 1 0 R") -> bytes:
    out, places = bytearray(b"%PDF-1.7\n"), {}
    for number, body in objects.items():
        places[number] = len(out)
        out += f"{number} 0 obj\n".encode() + _bytes(body) + b"\nendobj\n"
    start, size = len(out), max(objects) + 1
    out += f"xref\n0 {size}\n0000000000 65535 f \n".encode()
    for number in range(1, size):
        out += f"{places.get(number, 0):010d} 00000 {'n' if number in places else 'f'} \n".encode()
    return (
        bytes(out) + f"trailer\n<< /Size {size} {trailer} >>\nstartxref\n{start}\n%%EOF\n".encode()
    )


def stream(content: bytes, entries: str = "") -> bytes:
    return f"<< /Length {len(content)} {entries} >>\nstream\n".encode() + content + b"\nendstream"


def text_page(lines: Iterable[Line]) -> bytes:
    shown = []
    for text, size, x, y in lines:
        escaped = text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
        shown.append(f"BT /F1 {size} Tf 1 0 0 1 {x} {y} Tm ({escaped}) Tj ET")
    return "\n".join(shown).encode("cp1252")


def pdf(
    pages: Sequence[Sequence[Line]],
    *,
    info: str = "",
    catalog: str = "",
    extra: Mapping[int, str | bytes] | None = None,
) -> bytes:
    """A sound PDF: page n is object 10 + 2n, counting from 0, its content the one after."""
    objects: dict[int, str | bytes] = {
        1: f"<< /Type /Catalog /Pages 2 0 R {catalog} >>",
        2: page_tree([10 + 2 * index for index in range(len(pages))]),
        3: FONT,
        4: f"<< {info} >>",
        **(extra or {}),
    }
    for index, lines in enumerate(pages):
        objects[10 + 2 * index] = page(11 + 2 * index)
        objects[11 + 2 * index] = stream(text_page(lines))
    return pdf_of(objects, "/Root 1 0 R /Info 4 0 R")


def page(content: int) -> str:
    return (
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] "
        f"/Resources << /Font << /F1 3 0 R >> >> /Contents {content} 0 R >>"
    )


def page_tree(kids: Sequence[int], count: int | None = None) -> str:
    listed = " ".join(f"{kid} 0 R" for kid in kids)
    return f"<< /Type /Pages /Kids [{listed}] /Count {len(kids) if count is None else count} >>"


def prose(*texts: str, size: float = 10, top: float = 700) -> list[Line]:
    return [(text, size, 72, top - 14 * row) for row, text in enumerate(texts)]


def one_page(content: bytes, entries: str = "", **others: str | bytes) -> bytes:
    """One page whose content is this stream."""
    objects: dict[int, str | bytes] = {
        1: "<< /Type /Catalog /Pages 2 0 R >>", 2: page_tree([5]), 3: FONT, 5: page(6),
        6: stream(content, entries),
    }  # fmt: skip
    return pdf_of(objects | {int(name.strip("_")): body for name, body in others.items()})


def encrypted(password: str, owner: str = "owner") -> bytes:
    """RC4 with 40 bits, as in PDF 1.1: what every reader knows."""
    key_of = hashlib.md5(_padded(owner)).digest()[:5]
    owner_entry = _rc4(key_of, _padded(password))
    permissions = (-4).to_bytes(4, "little", signed=True)
    key = hashlib.md5(_padded(password) + owner_entry + permissions + IDENTIFIER).digest()[:5]
    content_key = hashlib.md5(key + (6).to_bytes(3, "little") + b"\0\0").digest()[:10]
    objects: dict[int, str | bytes] = {
        1: "<< /Type /Catalog /Pages 2 0 R >>", 2: page_tree([5]), 3: FONT, 5: page(6),
        6: stream(_rc4(content_key, text_page(prose("A secret about lighthouses.")))),
        7: f"<< /Filter /Standard /V 1 /R 2 /P -4 /O <{owner_entry.hex()}> "
           f"/U <{_rc4(key, PADDING).hex()}> >>",
    }  # fmt: skip
    name = IDENTIFIER.hex()
    return pdf_of(objects, f"/Root 1 0 R /Encrypt 7 0 R /ID [<{name}> <{name}>]")


def many_pages(count: int) -> bytes:
    objects: dict[int, str | bytes] = {
        1: "<< /Type /Catalog /Pages 2 0 R >>",
        2: page_tree(range(10, 10 + count)),
        3: FONT,
        5: stream(text_page(prose("The same words on every page."))),
    }
    return pdf_of(objects | {10 + index: page(5) for index in range(count)})


def deep_page_tree(depth: int) -> bytes:
    objects: dict[int, str | bytes] = {1: "<< /Type /Catalog /Pages 2 0 R >>"}
    for number in range(2, 2 + depth):
        objects[number] = page_tree([number + 1], count=1)
    objects[2 + depth] = "<< /Type /Page /MediaBox [0 0 9 9] >>"
    return pdf_of(objects)


def deflated_zeros(size: int, times: int = 1) -> bytes:
    packer = zlib.compressobj(9)
    block = b" " * (1 << 20)
    packed = b"".join(packer.compress(block) for _ in range(size >> 20)) + packer.flush()
    for _ in range(times - 1):
        packed = zlib.compress(packed, 9)
    return packed


def _padded(password: str) -> bytes:
    return (password.encode("latin-1") + PADDING)[:32]


def _rc4(key: bytes, content: bytes) -> bytes:
    state, j = list(range(256)), 0
    for i, octet in zip(range(256), cycle(key), strict=False):
        j = (j + state[i] + octet) % 256
        state[i], state[j] = state[j], state[i]
    out, i, j = bytearray(), 0, 0
    for octet in content:
        i = (i + 1) % 256
        j = (j + state[i]) % 256
        state[i], state[j] = state[j], state[i]
        out.append(octet ^ state[(state[i] + state[j]) % 256])
    return bytes(out)


def _bytes(body: str | bytes) -> bytes:
    return body.encode("latin-1") if isinstance(body, str) else body
