"""Only what is declared: fields of bodies and parameters of addresses; others are refused by name.

A field that is misspelled and ignored is a filter that does not narrow. DRF takes a number for a
text, and a text for a number; what the description of the API says of a type holds here.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.request import Request
from rest_framework.views import APIView

CURSOR_MAX_CHARS = 500
PAGE_MAX = 200
NAMES_TOLD = 10  # of unknown fields
WHOLE = re.compile(r"-?[0-9]{1,9}")


class Closed(serializers.Serializer[Any]):
    """A serializer of what a client sends. It has no other fields than these."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            refuse_unknown(data, self.fields)
        return super().to_internal_value(data)


def refuse_unknown(names: Any, known: Any, what: str = "field") -> None:
    """Raises a ValidationError that names them."""
    if unknown := sorted(str(name) for name in names if name not in known):
        raise serializers.ValidationError(
            {name[:100]: [f"There is no such {what}."] for name in unknown[:NAMES_TOLD]}
        )


def take_nothing(request: Request) -> None:
    """Of a request that says all with its address. A body that cannot be read is not read."""
    with suppress(UnsupportedMediaType):
        Closed(data=request.data).is_valid(raise_exception=True)


class Text(serializers.CharField):
    """A text as it was sent, and nothing that could be made one."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"trim_whitespace": False, **options})

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Slug(Text, serializers.SlugField):
    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_length": 50, **options})


class Identifier(serializers.UUIDField):
    """A UUID as we write it."""

    def to_internal_value(self, data: Any) -> Any:
        found = super().to_internal_value(data) if isinstance(data, str) else None
        if found is None or str(found) != data.lower():
            self.fail("invalid", value=str(data)[:100])
        return found


class Choice(serializers.ChoiceField):
    """One of a few words; who takes another one is told them."""

    def __init__(self, choices: Any, **options: Any) -> None:
        super().__init__(choices, **options)
        known = ", ".join(map(str, self.choices))
        self.error_messages["invalid_choice"] = f"It is none of: {known}."


class Truth(serializers.BooleanField):
    """true or false in JSON, and nothing that is like it."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=str(data)[:100])
        return data


class Whole(serializers.IntegerField):
    """A number in JSON."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, (int, float)):
            self.fail("invalid")
        return super().to_internal_value(data)


class Digits(serializers.IntegerField):
    """A number in an address."""

    def to_internal_value(self, data: Any) -> int:
        if not WHOLE.fullmatch(str(data)):
            self.fail("invalid")
        return super().to_internal_value(data)


class Query(Closed):
    """What may stand behind the question mark of an address: by default, nothing."""


class PageQuery(Query):
    cursor = Text(
        required=False, max_length=CURSOR_MAX_CHARS,
        help_text="From `next` or `previous` of a page; 404 if it is none of them.",
    )  # fmt: skip
    page_size = Digits(required=False, min_value=1, max_value=PAGE_MAX)


class Strict(APIView):
    """A view that takes the parameters it declares, each once, and finds them in `asked`."""

    query_class: ClassVar[type[Query]] = Query  # of GET; other methods have none
    asked: dict[str, Any]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if request.method != "OPTIONS" and hasattr(self, str(request.method).lower()):
            self.asked = self.told(request)
        super().initial(request, *args, **kwargs)

    def told(self, request: Request) -> dict[str, Any]:
        parameters = request.query_params
        query_class = self.query_class if request.method in ("GET", "HEAD") else Query
        query = query_class(data=parameters.dict())
        refuse_unknown(parameters, query.fields, "parameter")
        if twice := [name for name, values in parameters.lists() if len(values) > 1]:
            raise serializers.ValidationError({name: ["Once is enough."] for name in twice})
        query.is_valid(raise_exception=True)
        return query.validated_data
