"""Where a citation's link leads in a real browser: to the sentence, which is highlighted.

The reader's style paints `::target-text` in a colour of its own; the test looks for its pixels.
"""

import base64
from pathlib import Path

import pytest
from django.core.management import call_command

from chat.fragments import link_to
from chat.sentences import plain, sentences
from documents.models import Chunk

pytestmark = pytest.mark.browser

HANDBOOK = Path(__file__).resolve().parents[2] / "docs" / "handbook"
EVERY = 48  # how many sentences of the handbook lie between two that are tried
FILLER = "".join(f"\n\nParagraph {n} tells of nothing in particular.\n" for n in range(60))
AWKWARD = """# Awkward

{filler}

## Marks

A well-known, long-lasting lamp - made of brass & glass - costs 100% less than two; ask for it (#7).

The **bold** and *italic* words, a [link](https://example.org/a-b), `code --flag` and \\*stars\\*.

He said “three o'clock” & left; she said "four".

**Note.** This stands after it. Look **here. And** there, please.

{filler}

## Same words

It is on. The red lamp: yes. It is off. The white lamp: yes. It is on.

The lamp turns once in twelve seconds.

## Same words again

Of all the things that a keeper does, winding the clockwork is the one that nobody may forget,
because the lamp, which weighs four tonnes, floats on mercury and is turned by a weight that sinks
through the tower in a little less than two hours and must then be wound up again by hand.

{filler}

## Lists and tables

- First item, with a soft
  line break in it.
- Second item.

> A quoted line that goes
> on in the next one.

| day | lamp | horn |
|---|---|---|
| Monday | dim | bright |
| Tuesday | bright | dim |
| Sunday | when the fog comes in from the sea | dim |

{filler}

## 文字

灯每十二秒转一圈。红光照在礁石上，白光照向大海。

Ёлки-палки: маяк светит, а море — шумит. Größe & Straße über „Fluß“.

Emoji 🙂 stays, ﬁ ligature too, and café.

{filler}
"""
# What is cited, as it is written; what a reader then sees highlighted; 0 or -1: of
# several such places, the first or the last.
CASES = [
    ("A well-known, long-lasting lamp", "A well-known, long-lasting lamp - made of brass & glass - "
     "costs 100% less than two; ask for it (#7)."),
    ("The **bold** and", "The bold and italic words, a link, code"),  # the dashes might be one
    ("He said “three", "He said “three o'clock” & left; she said \"four\"."),
    ("**Note.**", "Note."),
    ("This stands after", "This stands after it."),
    ("Look **here.", "Look"),  # half of an emphasis: only what is sure
    ("It is on", "It is on."),
    ("It is on", "It is on.", -1),
    ("It is off.", "It is off."),
    ("The white lamp", "The white lamp: yes."),
    ("Of all the things", "Of all the things that a keeper does, winding the clockwork is the one "
     "that nobody may forget, because the lamp, which weighs four tonnes, floats on mercury and is "
     "turned by a weight that sinks through the tower in a little less than two hours and must "
     "then be wound up again by hand."),
    ("First item", "First item, with a soft line break in it."),
    ("Second item", "Second item."),
    ("A quoted line", "A quoted line that goes on in the next one."),
    ("Sunday | when", "when the fog comes in from the sea"),
    ("灯每", "灯每十二秒转一圈。"),
    ("红光", "红光照在礁石上，白光照向大海。"),
    ("Ёлки", "Ёлки-палки: маяк светит, а море — шумит."),
    ("Größe", "Größe & Straße über „Fluß“."),
    ("Emoji", "Emoji 🙂 stays, ﬁ ligature too, and café."),
]  # fmt: skip

PAINTED = """async (png) => {
  const bytes = Uint8Array.from(atob(png), (c) => c.charCodeAt(0));
  const image = await createImageBitmap(new Blob([bytes]));
  const canvas = new OffscreenCanvas(image.width, image.height).getContext("2d");
  canvas.drawImage(image, 0, 0);
  const { data } = canvas.getImageData(0, 0, image.width, image.height);
  const box = [Infinity, Infinity, -Infinity, -Infinity];
  for (let at = 0; at < data.length; at += 4) {
    if (data[at] !== 0xff || data[at + 1] !== 0xe0 || data[at + 2] !== 0x66) continue;
    const x = (at / 4) % image.width, y = Math.floor(at / 4 / image.width);
    box[0] = Math.min(box[0], x); box[1] = Math.min(box[1], y);
    box[2] = Math.max(box[2], x + 1); box[3] = Math.max(box[3], y + 1);
  }
  return box[2] < 0 ? null : box;
}"""
# Every place of a text on the page, as boxes in the window; white space as the reader sees it.
PLACES = """(wanted) => {
  const nodes = [], offsets = [];
  let text = "";
  const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const data = walker.currentNode.data;
    for (let at = 0; at < data.length; at++) {
      if (/\\s/.test(data[at]) && (text === "" || text.endsWith(" "))) continue;
      text += /\\s/.test(data[at]) ? " " : data[at];
      nodes.push(walker.currentNode); offsets.push(at);
    }
  }
  const boxes = [];
  for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + 1)) {
    const range = document.createRange(), last = at + wanted.length - 1;
    range.setStart(nodes[at], offsets[at]);
    range.setEnd(nodes[last], offsets[last] + 1);
    const box = range.getBoundingClientRect();
    boxes.push([box.left, box.top, box.right, box.bottom]);
  }
  return boxes;
}"""


def highlighted_at(page, link: str):
    """The box around what is highlighted in the window at that address; None when nothing is.

    On a busy machine a browser that is watched by screenshots now and then ignores the fragment of
    an address altogether, the anchor included: a reader would reload. A wrong one stays wrong.
    """
    for _visit in range(3):
        page.goto("about:blank")
        page.goto(link)
        for _look in range(20):
            page.wait_for_timeout(100)  # the browser scrolls once the page has been laid out
            if box := page.evaluate(PAINTED, base64.b64encode(page.screenshot()).decode()):
                return box
    return None


def same_place(one, other) -> bool:
    return all(abs(a - b) <= 4 for a, b in zip(one, other, strict=True))


@pytest.fixture
def awkward(transactional_db, write_pages, page):
    folder = write_pages({"awkward.md": AWKWARD.format(filler=FILLER)})
    call_command("ingest", str(folder), corpus="local", public=True, json=True)
    page.set_viewport_size({"width": 900, "height": 500})
    return page


def link_of(written: str, nth: int) -> str:
    chunk = next(chunk for chunk in Chunk.objects.order_by("position") if written in chunk.text)
    start = chunk.text.rindex(written) if nth < 0 else chunk.text.index(written)
    return link_to(chunk.url, chunk.text, start, start + len(written))


@pytest.fixture
def handbook(transactional_db, page):
    call_command("ingest", str(HANDBOOK), corpus="handbook", public=True, json=True)
    page.set_viewport_size({"width": 900, "height": 500})
    return page


def test_a_link_scrolls_to_the_sentence_and_highlights_it(awkward):
    missed = []
    for written, seen, nth in ((*case, 0)[:3] for case in CASES):
        link = link_of(written, nth)
        box = highlighted_at(awkward, link)
        places = awkward.evaluate(PLACES, seen)
        if box is None or not same_place(box, places[nth]):
            missed.append((written, link, box, places))
    assert missed == []


def test_sentences_of_a_real_book_are_found_on_its_pages(handbook):
    every = [
        (chunk, unit)
        for chunk in Chunk.objects.select_related("document").order_by("document", "position")
        for unit in sentences(chunk.text)
        if unit.kind in ("prose", "item")
    ]
    missed = []
    for chunk, unit in every[::EVERY]:
        link = link_to(chunk.url, chunk.text, unit.start, unit.end)
        box = highlighted_at(handbook, link)
        places = handbook.evaluate(PLACES, plain(unit.text))
        if box is None or not any(same_place(box, place) for place in places):
            missed.append((link, box, places))
    assert len(every) > 20 * EVERY
    assert missed == []
