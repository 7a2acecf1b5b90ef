"""The OpenAPI description says what the API does, without a warning."""

import io

from django.core.management import call_command


def test_the_schema_is_valid_and_complete():
    out = io.StringIO()

    call_command("spectacular", validate=True, fail_on_warn=True, stdout=out)

    assert "text/event-stream" in out.getvalue()
    assert "X-Visitor-Token" in out.getvalue()
