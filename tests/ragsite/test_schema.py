"""The OpenAPI description says what the API does, without a warning; it is the one in docs/."""

import io
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from django.db import connection

from documents.problem_codes import CODES
from tests.processes import ROOT

KEPT = ROOT / "docs" / "openapi.yaml"


@pytest.fixture(scope="module")
def written() -> str:
    out = io.StringIO()
    call_command("spectacular", validate=True, fail_on_warn=True, stdout=out)
    return out.getvalue()


@pytest.fixture(scope="module")
def operations(written: str) -> dict[str, dict[str, Any]]:
    paths = yaml.safe_load(written)["paths"]
    return {
        f"{method.upper()} {path}": operation
        for path, methods in paths.items()
        for method, operation in methods.items()
    }


def test_the_schema_is_valid_and_complete(written):
    assert "text/event-stream" in written
    assert "X-Visitor-Token" in written


@pytest.mark.skipif(
    connection.vendor != "sqlite", reason="numbers range as the database has them: kept is SQLite's"
)
def test_the_kept_description_is_that_of_the_code(written):
    again = "python manage.py spectacular --validate --fail-on-warn --file docs/openapi.yaml"
    assert KEPT.read_text() == written, f"with DJANGO_SETTINGS_MODULE=tests.settings: {again}"


def test_every_operation_says_what_it_does(operations):
    assert len(operations) > 25
    assert [name for name, operation in operations.items() if not operation.get("summary")] == []
    summaries = [operation["summary"] for operation in operations.values()]
    assert len(set(summaries)) == len(summaries)


def test_every_error_is_a_problem(operations):
    for name, operation in operations.items():
        if "/health/" in name:
            continue
        assert {"400", "401", "404", "503"} <= operation["responses"].keys(), name
        for code, response in operation["responses"].items():
            if code >= "400":
                assert [*response["content"]] == ["application/problem+json"], (name, code)


def test_every_answer_names_its_request(operations):
    for operation in operations.values():
        for response in operation["responses"].values():
            assert "X-Request-ID" in response["headers"]


def test_the_codes_are_a_closed_list(written):
    components = yaml.safe_load(written)["components"]["schemas"]
    reference = components["Problem"]["properties"]["code"]
    name = (reference.get("$ref") or reference["allOf"][0]["$ref"]).rpartition("/")[2]
    assert set(components[name]["enum"]) == CODES.keys()


def test_bodies_are_closed(written):
    schemas = yaml.safe_load(written)["components"]["schemas"]
    sent = [name for name in schemas if name.endswith("Request")]
    assert sent and all(schemas[name].get("additionalProperties") is False for name in sent)


@pytest.mark.django_db
def test_the_page_of_the_description_refuses_what_it_cannot_answer(client):
    assert client.options("/api/v1/schema/swagger/").status_code == 405
