"""What is not declared is refused by name; types are taken literally. Bodies and addresses."""

from uuid import UUID

import pytest
from django.test import Client
from rest_framework import serializers
from rest_framework.views import APIView

from documents.closed import Closed, Digits, Identifier, Slug, Strict, Text, Whole
from tests.documents.views_of_the_api import views

JSON = "application/json"


class Body(Closed):
    name = Text(max_length=5)
    inner = Slug(required=False)


def errors(data):
    body = Body(data=data)
    assert not body.is_valid()
    return body.errors


def test_an_unknown_field_is_refused_by_name():
    assert errors({"name": "a", "nmae": "b"}) == {"nmae": ["There is no such field."]}


def test_of_many_unknown_fields_a_few_are_named():
    assert len(errors({f"field{number}": 1 for number in range(1000)})) == 10


@pytest.mark.parametrize("value", [5, 1.5, True, None, [], {}, "\0", "x" * 6])
def test_a_text_is_a_text(value):
    assert "name" in errors({"name": value})


@pytest.mark.parametrize("value", ["5", True, 5.5, None, [], "٣"])
def test_a_number_is_a_number(value):
    with pytest.raises(serializers.ValidationError):
        Whole().run_validation(value)


ID = UUID("6f1ad1c2-1b5e-4b5f-9c0a-3d7d0a7f6f11")


@pytest.mark.parametrize("value", ["5.0", " 5", "٣", "", "1e3", "1" * 10])
def test_a_number_in_an_address_has_digits(value):
    with pytest.raises(serializers.ValidationError):
        Digits().run_validation(value)


@pytest.mark.parametrize("value", [5, ID.hex, f"urn:uuid:{ID}", f"{{{ID}}}"])
def test_an_identifier_has_one_form(value):
    with pytest.raises(serializers.ValidationError):
        Identifier().run_validation(value)


@pytest.mark.parametrize("view", views(), ids=lambda view: view.__name__)
def test_every_view_of_the_api_takes_declared_parameters_alone(view: type[APIView]):
    assert issubclass(view, Strict)


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["get", "post", "delete"])
def test_a_parameter_that_is_not_declared_is_refused_with_any_method(method):
    reply = getattr(Client(), method)("/api/v1/documents/?debug=1")
    if method == "delete":
        assert reply.status_code == 405 and "GET" in reply["Allow"]
    else:
        assert reply.status_code == 400
        assert reply.json()["errors"] == {"debug": ["There is no such parameter."]}


@pytest.mark.django_db
def test_a_body_of_another_type_is_refused():
    reply = Client().post("/api/v1/search/", "corpus=a", content_type="text/plain")
    assert (reply.status_code, reply.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.django_db
@pytest.mark.parametrize("body", ["[]", "null", '"a"', '{"corpus": "a"} {}', "{'corpus': 1}"])
def test_a_body_that_is_no_object_is_refused(body):
    reply = Client().post("/api/v1/search/", body, content_type=JSON)
    assert reply.status_code == 400
    assert reply["Content-Type"] == "application/problem+json"


@pytest.mark.django_db
def test_an_address_of_the_api_that_leads_nowhere_is_a_problem_too():
    reply = Client(raise_request_exception=False).get("/api/v1/nowhere/")
    assert (reply.status_code, reply.json()["code"]) == (404, "not_found")


def test_a_probe_is_read_and_nothing_else():
    reply = Client().post("/api/v1/health/live/")
    assert (reply.status_code, reply.json()["code"]) == (405, "method_not_allowed")
    assert reply["Allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    ("sent", "kept"), [("a-1.B_2", True), ("", False), ("a b", False), ("x" * 129, False)]
)
def test_a_request_has_an_id(sent, kept):
    told = Client().get("/api/v1/health/live/", headers={"X-Request-ID": sent})["X-Request-ID"]
    assert (told == sent) is kept
    assert kept or len(told) == 32
