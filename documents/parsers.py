"""How the bodies of requests are read."""

from typing import Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser


class ShallowJSONParser(JSONParser):
    """JSON nested deeper than Python's stack is the sender's mistake, and not the server's."""

    def parse(self, *arguments: Any, **options: Any) -> Any:
        try:
            return super().parse(*arguments, **options)
        except RecursionError as error:
            raise ParseError("JSON parse error - it is nested too deeply") from error
