"""HTML to sections: what is content, what is noise, and the ids that links need.

The pages of tools are written by hand, with the structure that pages built with them have.
"""

import pytest

from ingestion.chunking import chunk_by_section
from ingestion.loaders.base import RawDocument
from ingestion.parsing import ParseError, parse
from ingestion.parsing.html import parse_html
from tests.ingestion.verbatim import CORPORA, check, text_of_html


def text(html, **options):
    return parse_html(html, key="page.html", **options).text


def outline(html):
    parsed = parse_html(html, key="page.html")
    return [(s.anchor, s.heading_path[-1]) for s in parsed.sections if s.level]


PAGES = {
    "docusaurus": """
        <html lang="en"><head><meta name="generator" content="Docusaurus v3.10.2"><title>Kites |
        Zephyr</title></head><body><nav>Menu</nav><main><article><nav class="theme-doc-breadcrumbs">
        Home</nav><span class="theme-doc-version-badge">2.0</span><div class="theme-doc-toc-mobile">
        On this page</div><div class="theme-doc-markdown markdown"><header><h1>Kites</h1></header>
        <h2 class="anchor" id="fly-it">Fly <code>it</code><a href="#fly-it" class="hash-link"
        aria-label="Direct link">​</a></h2><div class="theme-admonition alert"><div
        class="admonitionHeading_x"><svg></svg>note</div><div><p>Mind the wind.</p></div></div>
        <div class="language-python codeBlockContainer_x"><div class="codeBlockContent_x"><pre
        class="prism-code language-python"><code><span class="token-line">def f():<br></span><span
        class="token-line">    return 1<br></span></code></pre><div class="buttonGroup_x"><button>
        Copy</button></div></div></div></div>
        <footer class="theme-doc-footer">Edit this page</footer></article>
        <nav class="pagination-nav">Next</nav></main></body></html>""",
    "vitepress": """
        <html lang="en"><head><meta name="generator" content="VitePress v1.6.4"><title>Kites |
        Zephyr</title></head><body><div class="VPNav">Menu</div><main><div class="vp-doc"><div>
        <h1 id="kites">Kites <a class="header-anchor" href="#kites">​</a></h1><h2 id="fly-it">Fly
        <code>it</code> <a class="header-anchor" href="#fly-it">​</a></h2><div
        class="tip custom-block"><p class="custom-block-title">note</p><p>Mind the wind.</p></div>
        <div class="language-python"><button class="copy"></button><span class="lang">python</span>
        <pre><code><span class="line">def f():</span>
<span class="line">    return 1</span></code></pre><div class="line-numbers-wrapper"><span
        class="line-number">1</span></div></div></div></div></main><footer
        class="VPDocFooter">Edit this page Next</footer></body></html>""",
    "material": """
        <html lang="en"><head><title>Kites - Zephyr</title></head><body><nav>Menu</nav><article
        class="md-content__inner md-typeset"><a class="md-content__button">Edit this page</a>
        <h1 id="kites">Kites<a class="headerlink" href="#kites">&para;</a></h1><h2 id="fly-it">Fly
        <code>it</code><a class="headerlink" href="#fly-it">&para;</a></h2><div class="admonition
        note"><p class="admonition-title">note</p><p>Mind the wind.</p></div><div
        class="language-python highlight"><table class="highlighttable"><tr><td class="linenos"><div
        class="linenodiv"><pre>1\n2</pre></div></td><td class="code"><div><pre><span></span><code><a
        id="__codelineno-0-1"></a>def f():\n<a id="__codelineno-0-2"></a>    return 1\n</code></pre>
        </div></td></tr></table></div></article><footer>Next</footer></body></html>""",
    "readthedocs": """
        <html lang="en"><head><title>Kites &mdash; Zephyr</title></head><body class="wy-body">
        <nav>Menu</nav><div class="rst-content"><div role="navigation"><ul><li>Home</li></ul></div>
        <div role="main" class="document"><div itemprop="articleBody"><section id="kites"><span
        id="label"></span><h1>Kites<a class="headerlink" href="#kites"></a></h1><section
        id="fly-it"><h2>Fly <code class="docutils literal"><span class="pre">it</span></code><a
        class="headerlink" href="#fly-it"></a></h2><div class="admonition note"><p
        class="admonition-title">note</p><p>Mind the wind.</p></div><div
        class="highlight-python notranslate"><div class="highlight"><pre><span></span><span
        class="linenos">1</span>def f():\n<span class="linenos">2</span>    return 1\n</pre></div>
        </div></section></section></div></div><footer>Next</footer></div></body></html>""",
    "gitbook": """
        <html lang="en"><head><meta name="generator" content="GitBook (c)"><title>Kites</title>
        </head><body><aside>Menu</aside><main><div class="sr-only">See llms.txt</div><header><nav>
        <ol><li>Home</li></ol></nav><h1>Kites</h1></header><div><h2 id="fly-it" class="heading"><div
        class="hash"><a href="#fly-it" aria-label="Direct link to heading"></a></div><div>Fly <code>
        it</code></div></h2><div class="hint"><div><svg></svg></div><div><p>note</p><p>Mind
        the wind.</p></div></div><div class="group/codeblock"><button>Copy</button><pre><code
        class="language-python"><span class="highlight-line"><span
        class="highlight-line-content">def f():\n</span></span><span class="highlight-line"><span
        class="highlight-line-content">    return 1</span></span></code></pre></div></div>
        <nav>Next</nav></main></body></html>""",
}


@pytest.mark.parametrize("tool", PAGES)
def test_the_content_of_a_known_tool(tool):
    parsed = parse_html(PAGES[tool], key="x.html")
    assert parsed.text == (
        "# Kites\n\n## Fly it\n\nnote\n\nMind the wind.\n\n```python\ndef f():\n    return 1\n```"
    )
    assert (parsed.title, parsed.language) == ("Kites", "en")
    assert parsed.sections[-1].anchor == "fly-it"
    assert [b.kind for b in parsed.sections[-1].blocks] == ["admonition", "code"]


def test_lists_of_pages_and_of_headings_that_docusaurus_makes():
    html = """<head><meta name="generator" content="Docusaurus v3.10.2"></head><body><main>
        <div class="theme-doc-markdown markdown"><h1>Kites</h1><div class="tableOfContentsInline_x">
        <ul class="table-of-contents"><li><a href="#fly">Fly</a></li></ul></div>
        <h2 id="fly">Fly</h2><article><a class="card"><h2 class="theme-doc-card-heading">
        <span class="theme-doc-card-icon cardTitleIcon_x">📄️</span><span>Lines</span></h2>
        <p>Long.</p></a></article><a class="tag_x tagWithCount_x">wind<span>3</span></a></div>
        </main></body>"""
    assert text(html) == "# Kites\n\n## Fly\n\n## Lines\n\nLong.\n\nwind"


def test_posts_in_a_list_that_docusaurus_makes_are_sections_without_their_dates():
    post = """<article><header><h2 class="title_x"><a href="/{0}">{0}</a></h2><div><time>May 1
        </time> · One min read</div></header><div class="markdown"><p>{1}</p></div><footer>
        <a>Read more</a></footer></article>"""
    html = f"""<head><meta name="generator" content="Docusaurus v3.10.2"><title>Blog | Kites</title>
        </head><body><aside><nav>Recent posts</nav></aside><main>{post.format("Kites", "Fly.")}
        {post.format("Empty", "")}{post.format("Wind", "Blows.")}<nav>Older</nav></main></body>"""
    assert text(html) == "## Kites\n\nFly.\n\n## Empty\n\n## Wind\n\nBlows."
    assert parse_html(html, key="k").title == "Blog"


def test_a_page_of_no_known_tool_has_a_main_part_or_an_article():
    html = "<body><div>Menu</div><article>Short.</article><article><h1>T</h1><p>{}</p></article>"
    assert text(html.format("Long. " * 20)).startswith("# T\n\nLong.")


def test_boilerplate_around_sentences_is_found_by_trafilatura():
    sentence = "<p>Kites need wind, a line and someone who holds on to it number {}.</p>"
    links = "".join(f"<li><a href='/{n}'>Other page number {n}</a></li>" for n in range(40))
    body = "".join(sentence.format(n) for n in range(40))
    html = f"<body><div><ul>{links}</ul></div><div><h2 id='k'>Kites</h2>{body}</div></body>"
    assert "Other page" not in text(html)
    assert outline(html) == [("k", "Kites")]


@pytest.mark.parametrize(
    "heading",
    [
        "<h2 id='i'>H</h2>",
        "<h2><a id='i'></a>H</h2>",
        "<h2><a name='i'>H</a></h2>",
        "<h2>H<a class='headerlink' href='#i'>¶</a></h2><p id='i'>",
        "<section id='i'><h2>H</h2></section>",
        "<section id='i'><span id='other'></span><h2>H</h2></section>",
        "<p>before</p><a id='i'></a> <h2>H</h2>",
    ],
)
def test_the_id_of_a_heading_is_the_one_that_links_use(heading):
    assert outline(heading) == [("i", "H")]


def test_footnotes_are_a_section_of_their_own():
    html = """<h2 id="i">Wind</h2><p>It blows at 10<sup><a href="#fn" id="r1" data-footnote-ref>1
        </a></sup> or 20<sup id="r2"><a class="footnote-ref" href="#fn">1</a></sup> knots.</p>
        <section class="footnotes"><h2 class="sr-only" id="footnote-label">Footnotes</h2><ol>
        <li id="fn"><p>Or so. <a href="#r1" data-footnote-backref>↩</a>
        <a href="#r2" data-footnote-backref>↩<sup>2</sup></a></p></li></ol></section>"""
    assert text(html) == "## Wind\n\nIt blows at 10 or 20 knots.\n\n## Footnotes\n\n1. Or so."
    assert outline(html) == [("i", "Wind"), ("footnote-label", "Footnotes")]


def test_an_id_that_is_not_in_the_page_is_no_anchor():
    assert outline("<h2>H <a href='#gone'>#</a></h2><div id='x'><p>a</p><h2>I</h2></div>") == [
        ("", "H"), ("", "I"),
    ]  # fmt: skip


def test_an_id_is_given_as_it_stands_or_not_at_all():
    page = (
        "<h2 id='-red-\ufe0f'>Red</h2><p>a</p><h2 id='\ufe0fx'>X</h2><p>b</p><h2 id='x'>X</h2><p>c"
    )
    raw = RawDocument("k", page.encode(), "text/html", "/k")
    assert [section.anchor for section in parse(raw).sections if section.level] == ["", "", "x"]


def test_only_what_is_shown_is_searched_for_invisible_characters():
    page = "<h2 id='\ufe0fi'>H<a href='#i'>\u200b</a></h2><p>\u200b</p><p>a\u200bb</p><p>c\u202ed"
    parsed = parse(RawDocument("k", page.encode(), "text/html", "/k"))
    assert [chunk.text for chunk in chunk_by_section(parsed)] == ["ab\n\ncd"]
    assert parsed.warnings == ("2 invisible or direction-changing characters removed",)


def test_functions_that_sphinx_documents_are_sections_of_their_own():
    html = """<section id="api"><h1>API</h1><dl class="py function"><dt class="sig" id="m.fly">
        <span class="sig-prename"><span class="pre">m.</span></span><span class="sig-name"><span
        class="pre">fly</span></span><span>(</span><em>high</em><span>)</span><a class="headerlink"
        href="#m.fly">¶</a></dt><dd><p>Goes up.</p></dd></dl><p>Closing words.</p></section>"""
    parsed = parse_html(html, key="k")
    assert parsed.text == "# API\n\n`m.fly(high)`\n\nGoes up.\n\nClosing words."
    assert [(s.heading_path, s.anchor) for s in parsed.sections] == [
        (("API",), "api"), (("API", "m.fly"), "m.fly"), (("API",), "api"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("html", "shown"),
    [
        ("a<b>b</b>  <i>c\n d</i>", "ab c d"),
        ("use <code>a `b`</code> or <tt>c</tt>", "use `` a `b` `` or `c`"),
        ("see <a href='x'>the page</a>", "see the page"),
        ("H<sub>2</sub>O, x<sub>i</sub>, 10<sup>6</sup>, 1<sup>st</sup>", "H2O, x_i, 10^6, 1st"),
        ("<ruby>漢<rt>かん</rt></ruby>", "漢(かん)"),
        ("<ruby>漢<rp>(</rp><rt>かん</rt><rp>)</rp></ruby>", "漢(かん)"),
        ("a<br>b<br><br>c", "a b\n\nc"),
        ("a&amp;b &lt;tag&gt; so&shy;ft", "a&b <tag> soft"),
        ("<img alt='a chart of the wind'> <img alt='logo.png'> <img alt='logo'>.",
         "a chart of the wind ."),
        ("<img class='math' alt='x^2'>", "x^2"),
        ("a <span aria-hidden=true>x</span><span hidden>y</span><script>z</script>"
         "<span style='display:none'>v</span><template>w</template>b", "a b"),
        ("<math><semantics><mi>x</mi><annotation encoding='application/x-tex'>\\pi"
         "</annotation></semantics></math>", "\\pi"),
        ("<math alttext='E=mc^2'><mi>E</mi></math>", "E=mc^2"),
        ("<math><msup><mi>x</mi><mn>2</mn></msup><mo>+</mo><mfrac><mn>1</mn><mi>y</mi></mfrac>"
         "<msqrt><mi>z</mi></msqrt></math>", "x^2 + 1/y√z"),
    ],
)  # fmt: skip
def test_inside_a_paragraph(html, shown):
    assert text(f"<p>{html}</p>") == shown


@pytest.mark.parametrize(
    ("html", "shown"),
    [
        ("<ol start=3><li>a<ul><li>b</li></ul></li><li><p>c</p><pre>d\n  e</pre></li></ol>",
         "3. a\n   - b\n4. c\n\n   ```\n   d\n     e\n   ```"),
        ("<dl><dt>kite<dd>flies<dt>stone<dd>falls</dl>", "- kite\n\n  flies\n- stone\n\n  falls"),
        ("<details><summary>More</summary><p>Text</p></details>", "More\n\nText"),
        ("<figure><img alt=''><figcaption>Wind</figcaption></figure>", "Wind"),
        ("<div>a<p>b</p>c</div>", "a\n\nb\n\nc"),
        ("<pre><code class='lang-js'>a &lt; b\n\n  c</code></pre>", "```js\na < b\n\n  c\n```"),
        ("<pre><div>a</div><div>  b</div></pre>", "```\na\n  b\n```"),
        ("<table><caption>C</caption><tr><th>a<th>b<tr><td>1<td>2|3</table>",
         "C\n\n| a | b |\n| --- | --- |\n| 1 | 2\\|3 |"),
        ("<table><tr><td rowspan=2>a<td>b<td>c<tr><td colspan=2>d</table>",
         "| a | b | c |\n| --- | --- | --- |\n|  | d |  |"),
        ("<table><tr><td>a<td><table><tr><td>b<td>c</table></table>",
         "| a | b c |\n| --- | --- |"),
        ("<table><tr><td><h2>H</h2>text<td><pre>x</pre></table>", "## H\n\ntext\n\n```\nx\n```"),
        ("<div class=tabs><div role=tablist><button role=tab>npm</button><button role=tab>pnpm"
         "</button></div><div role=tabpanel><pre>npm i</pre></div><div role=tabpanel hidden>"
         "<pre>pnpm i</pre></div></div>", "npm\n\n```\nnpm i\n```\n\npnpm\n\n```\npnpm i\n```"),
    ],
)  # fmt: skip
def test_blocks(html, shown):
    assert text(f"<body>{html}</body>") == shown


def test_quotes_and_admonitions_are_blocks_with_children():
    html = "<blockquote><p>a</p><p>b</p></blockquote><div class='admonition'><p>N</p><p>c</p></div>"
    blocks = parse_html(html, key="k").sections[0].blocks
    assert [(b.kind, len(b.children)) for b in blocks] == [("quote", 2), ("admonition", 2)]


def test_the_title_of_a_page():
    og = "<meta property='og:title' content='Given'><title>x</title>"
    assert parse_html(f"<head>{og}</head><p>a", key="k").title == "Given"
    assert (
        parse_html("<title>Kites - a guide | Zephyr</title><p>a", key="k").title
        == "Kites - a guide"
    )
    assert parse_html("<title>Kites — Zephyr 1.0 documentation</title>", key="k").title == "Kites"
    assert parse_html("<title>x</title><h1>Main <i>one</i></h1>", key="k").title == "Main one"
    assert parse_html("<p>a", key="guides/first-steps.html").title == "First steps"


def test_what_the_head_says():
    html = """<html lang="pt_BR"><meta name="citation_author" content="Ada, L.">
        <meta name="citation_author" content="Bo"><meta name="author" content="not asked">
        <meta name="citation_publication_date" content="2021/05/01">
        <meta name="DC.identifier" content="doi:10.1234/abc.5">
        <meta name="robots" content="noindex"><meta name="description" content="About  kites.">
        <link rel=canonical href="/k">
        <meta name="docusaurus_version" content="2.0"><p>text"""
    parsed = parse_html(html, key="k", url="https://example.org/x")
    assert parsed.language == "pt-BR"
    assert parsed.metadata == {
        "authors": ["Ada, L.", "Bo"], "year": 2021, "doi": "10.1234/abc.5", "robots": "noindex",
        "description": "About kites.", "canonical": "https://example.org/k", "version": "2.0",
    }  # fmt: skip


def test_xhtml_elements_that_close_themselves():
    head = "<?xml version='1.0'?><html><head><script src='x'/><title/></head>"
    assert outline(f"{head}<body><a id='i'/><h2>H</h2><p>text</p></body></html>") == [("i", "H")]


def test_numbers_beside_titles_are_parted():
    html = "<h2><span class='secnum'>1.2</span><span class='sectitle'>Kites</span></h2>"
    assert outline(html) == [("", "1.2 Kites")]


def test_a_heading_that_was_never_closed_does_not_swallow_the_page():
    assert text("<h1>Title<p>" + "long text " * 60 + "<p>end").endswith("\n\nend")


HOSTILE = {
    "deep elements": "<div>" * 10_000 + "<p>text",
    "deep lists": "<ul><li>text" * 10_000,
    "deep tables": "<table><tr><td>text" * 5_000,
    "deep formulas": "<math>" + "<msup>" * 10_000 + "<mi>x",
    "deep raised text": "<p>x" + "<sup>2" * 5_000,
    "many headings": "".join(f"<h2 id=h{n}>Heading {n}</h2><p>text" for n in range(10_000)),
    "one line": "<p>" + "word " * 4_000_000,
    "one line of code": "<pre>" + "word " * 4_000_000,
    "unclosed": "<p>text <a href=x><td><li><h2>" * 500,
    "headings in headings": "<h2><div>text" * 5_000,
    "a wide table": "<table>" + "<tr><td colspan=1000 rowspan=1000>x" * 300 + "</table>",
}


@pytest.mark.timeout(30)
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pages_are_read_in_time(name):
    assert parse_html(HOSTILE[name], key="k").sections


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "html",
    [
        "<div>" * 1_000_000,
        "".join(f"<p><font size={n}>x" for n in range(10_000)),
        "<i x>" * 2_500_000,
        "<p " + " ".join(f"a{n}" for n in range(100_000)) + ">",
        "<!--" * 1_900_000,
        "<script>" * 1_900_000,
    ],
)
def test_pages_that_would_take_the_parser_hours_are_refused_or_read(html):
    try:
        parse_html(html, key="k")
    except ParseError as error:
        assert str(error).endswith((".", "closed."))


@pytest.mark.skipif(not CORPORA.is_dir(), reason="no evaluation corpora; set EVAL_CORPORA")
@pytest.mark.parametrize(("corpus", "files"), [("sicp-html", "*.xhtml"), ("office", "*.html")])
def test_every_chunk_of_a_corpus_stands_in_its_page(corpus, files):
    count = 0
    for path in sorted((CORPORA / corpus).glob(files)):
        html = path.read_text()
        chunks, foreign, raw = check(parse_html(html, key=path.name), text_of_html(html))
        assert (foreign, raw) == ([], []), path.name
        count += chunks
    assert count > 50


@pytest.mark.skipif(not CORPORA.is_dir(), reason="no evaluation corpora; set EVAL_CORPORA")
def test_anchors_of_a_corpus_are_ids_of_its_pages():
    for path in sorted((CORPORA / "sicp-html").glob("[1-5]_*.xhtml")):
        html = path.read_text()
        sections = parse_html(html, key=path.name).sections
        named = [s.anchor for s in sections if s.anchor]
        assert len(named) >= len(sections) - 2, path.name  # "Footnotes" has no id
        assert all(f'id="{anchor}"' in html for anchor in named), path.name
        assert "Jump to top" not in "".join(
            c.text for c in chunk_by_section(parse_html(html, key="k"))
        )
