"""Formulas on one line, for those that come as a tree: MathML without TeX, Word's own.

What it writes is close to what people type: x^2, a_1, (a + b)/2, √(x).
"""

from collections.abc import Callable, Sequence


def power(base: str, exponent: str) -> str:
    return f"{base}^{_grouped(exponent)}"


def index(base: str, below: str) -> str:
    return f"{base}_{_grouped(below)}"


def index_and_power(base: str, below: str, exponent: str) -> str:
    return power(index(base, below), exponent)


def fraction(above: str, below: str) -> str:
    return f"{_grouped(above)}/{_grouped(below)}"


def root(radicand: str, degree: str = "") -> str:
    return f"{degree}√{_grouped(radicand)}"


def row(*parts: str) -> str:
    """Operators get air; the rest stands as it is written."""
    return "".join(f" {part} " if part in OPERATORS else part for part in parts)


OPERATORS = frozenset("+ - − = < > ≤ ≥ ≠ ≈ ≡ → ⇒ ± × ⋅ ∈ ∧ ∨ , ;".split())
WRITTEN: dict[str, tuple[int, Callable[..., str]]] = {
    "msup": (2, power),
    "mover": (2, power),
    "msub": (2, index),
    "munder": (2, index),
    "msubsup": (3, index_and_power),
    "munderover": (3, index_and_power),
    "mfrac": (2, fraction),
    "mroot": (2, root),
}


def written(tag: str, parts: Sequence[str]) -> str:
    """The element named by its MathML tag, from the text of its children."""
    if tag == "msqrt":
        return root(row(*parts))
    count, rule = WRITTEN.get(tag, (0, row))
    return rule(*parts) if count in (0, len(parts)) else row(*parts)


def _grouped(text: str) -> str:
    text = text.strip()
    return text if len(text) < 2 or text.isalnum() else f"({text})"
