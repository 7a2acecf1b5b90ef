"""The words Sphinx adds to reStructuredText, so that their text is kept: for one page at a time.

A role shows its text, a directive its content. Those that would only generate text (toctree,
automodule) or pass something through leave nothing.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive, directives, roles
from docutils.parsers.rst.languages import en

DIRECTIVE_NAME = re.compile(r"^[ \t]*\.\.[ \t]+(?:\|[^|\n]+\|[ \t]+)?(?P<name>[\w:+.-]+?)::", re.M)
ROLE_NAME = re.compile(r":(?P<name>[A-Za-z][\w:+.-]*):`|`:(?P<name_after>[A-Za-z][\w:+.-]*):")
# docutils has a directive of that name, which gives a class to what follows; Sphinx documents one.
CLASS = re.compile(r"^[ \t]*\.\. class::[^\n]*\(", re.M)
# `Title <target>`, `!not a link`, `~module.Class`
TARGET = re.compile(r"(?P<title>[^<]*[^<\s])\s*<[^<>]*>$")
SHORTENED = re.compile(r"^~(?:.*[./])?(?=[^./])")

CODE = frozenset(
    "code code-block sourcecode code-cell ipython prompt testcode doctest jupyter-execute"
    " productionlist".split()
)
GENERATE = frozenset(
    "toctree index highlight currentmodule default-domain meta tabularcolumns sectionauthor"
    " codeauthor moduleauthor literalinclude include raw graphviz mermaid uml plantuml digraph"
    " graph inheritance-diagram autosummary bibliography contents sectnum target-notes"
    " module testsetup testcleanup acks-list todolist".split()
)
LITERAL = frozenset(
    "file program samp command code mod func meth attr exc const obj cls any".split()
)
LABELS = {
    "versionadded": "Added in version {}",
    "versionchanged": "Changed in version {}",
    "versionremoved": "Removed in version {}",
    "deprecated": "Deprecated since version {}",
    "seealso": "See also",
    "todo": "Todo",
}
OBJECTS = frozenset(
    "function method class classmethod staticmethod exception data attribute property decorator"
    " option envvar confval describe object type struct union enum enumerator macro member var"
    " setting directive role cmdoption py-function".split()
)

# docutils keeps roles and directives in module globals.
_registry = Lock()  # one page after the other


@contextmanager
def sphinx_words(text: str) -> Iterator[None]:
    """Every role and directive the page names is known, for as long as it is read."""
    with _registry:
        known_roles, known_directives = dict(roles._roles), dict(directives._directives)
        try:
            for match in DIRECTIVE_NAME.finditer(text):
                _register_directive(match["name"].lower())
            if CLASS.search(text):
                directives.register_directive("class", _Object)
            roles.register_local_role("raw", _nothing_shown)
            for match in ROLE_NAME.finditer(text):
                _register_role((match["name"] or match["name_after"]).lower())
            yield
        finally:
            for registry, known in (
                (roles._roles, known_roles), (directives._directives, known_directives),
            ):  # fmt: skip
                registry.clear()
                registry.update(known)


def _register_directive(name: str) -> None:
    last = name.rpartition(":")[2]
    if last in GENERATE or last.startswith("auto"):
        directives.register_directive(name, _Nothing)
    elif last in CODE:
        directives.register_directive(name, _Code)
    elif name in en.directives:
        return
    elif last in LABELS:
        directives.register_directive(name, _Admonition)
    elif last in OBJECTS:
        directives.register_directive(name, _Object)
    else:
        directives.register_directive(name, _Content)


def _register_role(name: str) -> None:
    if name not in en.roles and name not in roles._role_registry:
        roles.register_local_role(name, _shown)


def _shown(
    name: str, rawtext: str, text: str, lineno: int, inliner: Any, options: Any = None,
    content: Any = None,
) -> tuple[list[nodes.Node], list[nodes.Node]]:  # fmt: skip
    """The text a reader sees of `:role:`title <target>``."""
    match = TARGET.match(text)
    shown = match["title"] if match else SHORTENED.sub("", text).removeprefix("!")
    if (":" in name or name in LITERAL or name in OBJECTS) and not match:
        return [nodes.literal(rawtext, nodes.unescape(shown))], []
    return [nodes.inline(rawtext, nodes.unescape(shown))], []


def _nothing_shown(*args: Any, **options: Any) -> tuple[list[nodes.Node], list[nodes.Node]]:
    """For what `.. role:: html(raw)` passes through to one kind of output."""
    return [], []


_nothing_shown.options = {"format": directives.unchanged}  # type: ignore[attr-defined]


class _AnyOption(dict[str, Any]):
    """Knows every option, and takes it as it is."""

    def __bool__(self) -> bool:
        return True

    def __missing__(self, name: str) -> Callable[[str | None], str | None]:
        return lambda value: value


class _Lenient(Directive):
    """Takes whatever stands after it, and any option."""

    optional_arguments = 1
    final_argument_whitespace = True
    has_content = True

    option_spec = _AnyOption()

    def title(self) -> list[nodes.Node]:
        if not self.arguments:
            return []
        text, _messages = self.state.inline_text(self.arguments[0], self.lineno)
        return [nodes.paragraph(self.arguments[0], "", *text)]

    def inside(self) -> list[nodes.Node]:
        container = nodes.container()
        self.state.nested_parse(self.content, self.content_offset, container, match_titles=True)
        return list(container.children)


class _Nothing(_Lenient):
    def run(self) -> list[nodes.Node]:
        return []


class _Content(_Lenient):
    """Tabs, cards and what else a theme may bring: the title, then the content."""

    def run(self) -> list[nodes.Node]:
        return [*self.title(), *self.inside()]


class _Code(_Lenient):
    def run(self) -> list[nodes.Node]:
        # Without a blank line between, docutils takes the code for more of the argument.
        language, _, more = (self.arguments[0] if self.arguments else "").partition("\n")
        block = nodes.literal_block("", "\n".join([*more.splitlines(), *self.content]))
        if language.strip():
            block["classes"].append(f"language-{language.split()[0]}")
        caption = self.options.get("caption")
        return [*([nodes.paragraph("", caption)] if caption else []), block]


class _Admonition(_Lenient):
    def run(self) -> list[nodes.Node]:
        last = self.name.rpartition(":")[2].lower()
        label, argument = LABELS[last], self.arguments[0] if self.arguments else ""
        if "{}" in label:
            version, argument = [*argument.split(None, 1), "", ""][:2]
            label = label.format(version)
        box = nodes.admonition("", nodes.title("", label), classes=[last])
        if argument:
            text, _messages = self.state.inline_text(argument, self.lineno)
            box += nodes.paragraph(argument, "", *text)
        box += self.inside()
        return [box]


class _Object(_Lenient):
    """`.. function:: name(arguments)`, one signature a line, and what it does."""

    def run(self) -> list[nodes.Node]:
        signatures = (self.arguments[0] if self.arguments else "").splitlines()
        item = nodes.definition_list_item()
        for signature in filter(None, map(str.strip, signatures)):
            item += nodes.term("", "", nodes.literal(signature, signature))
        item += nodes.definition("", *self.inside())
        return [nodes.definition_list("", item)]
