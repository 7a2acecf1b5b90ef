"""What may be said in `Source.options`, by kind of source; their values are checked by example."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from documents.models import Source
from ingestion.loaders.base import LoadError
from ingestion.loaders.site_scope import SiteOptions, checked

EVERY: dict[str, Any] = {"version": ""}  # name: default
FOLDER: dict[str, Any] = {"include": (), "exclude": ()}
OPTIONS: dict[str, dict[str, Any]] = {
    Source.Kind.FOLDER: {**EVERY, **FOLDER},
    Source.Kind.GIT: {**EVERY, **FOLDER, "ref": "", "folder": ""},
    Source.Kind.SITE: {**EVERY, **asdict(SiteOptions())},
    Source.Kind.UPLOAD: EVERY,
}


def check_options(kind: str, options: Mapping[str, Any]) -> None:
    """Raises LoadError: an option that does not exist for the kind, or a value it cannot have."""
    if not isinstance(options, Mapping):
        raise LoadError('options are a JSON object, such as {"exclude": ["drafts/*"]}')
    known = OPTIONS[kind]
    if unknown := sorted(set(options) - known.keys()):
        raise LoadError(
            f'there is no option "{unknown[0]}" for a source of this kind; it has '
            f"{', '.join(sorted(known))}"
        )
    for name, value in options.items():
        checked(name, value, known[name])
    if kind == Source.Kind.SITE:
        SiteOptions.read(options)
