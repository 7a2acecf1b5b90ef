"""Secrets of the settings do not get into logs and tracebacks, whoever writes them there."""

import logging
import sys

import pytest
from cohere.core.api_error import ApiError
from django.test import RequestFactory
from django.utils.log import configure_logging
from django.views.debug import technical_500_response

from documents.redaction import SafeFormatter, without_secrets
from documents.upstream.cohere import reason_of

KEY, PASSWORD, QUOTED = "co-secret-0123456789", "p@ss/word", "p%40ss%2Fword"


@pytest.fixture(autouse=True)
def configured(settings) -> None:
    settings.COHERE_API_KEY = KEY
    settings.DATABASE_URL = f"postgresql://rag:{QUOTED}@db.example.org/rag"


@pytest.mark.parametrize("secret", [KEY, PASSWORD, QUOTED])
def test_a_secret_is_hidden_and_the_rest_is_told(secret):
    assert without_secrets(f"refused {secret}, sorry") == "refused ***, sorry"


def test_a_setting_that_is_empty_or_short_hides_nothing(settings):
    settings.OPENAI_API_KEY = "key"  # as servers without any take it
    assert without_secrets("the key of the house") == "the key of the house"


def test_a_log_line_and_its_traceback_are_free_of_them():
    record = None
    try:
        raise ValueError(f"bad header: Bearer {KEY}")
    except ValueError:
        record = logging.LogRecord("x", 40, "f", 1, "of %s", (PASSWORD,), sys.exc_info())

    line = SafeFormatter("{message}", style="{").format(record)

    assert line.startswith("of ***\nTraceback")
    assert "bad header: Bearer ***" in line


def test_the_settings_log_with_it(settings):
    assert settings.LOGGING["formatters"]["line"]["()"] == "documents.redaction.SafeFormatter"
    configure_logging(settings.LOGGING_CONFIG, settings.LOGGING)
    formatters = [type(handler.formatter) for handler in logging.getLogger().handlers]
    assert SafeFormatter in formatters


def test_djangos_page_of_an_error_shows_neither_settings_nor_variables_with_them(settings):
    settings.DEBUG = True

    def careless() -> None:
        key, harmless = {"authorization": f"Bearer {KEY}"}, "seen by everybody"
        raise RuntimeError(f"a mistake {len(key)} {harmless}")

    try:
        careless()
    except RuntimeError:
        page = technical_500_response(RequestFactory().get("/"), *sys.exc_info()).text

    assert "seen by everybody" in page
    assert not any(secret in page for secret in (KEY, PASSWORD, QUOTED))


def test_what_a_provider_repeats_of_a_request_is_kept_without_its_key():
    error = ApiError(status_code=400, body={"message": f"invalid request: Bearer {KEY}"})
    assert reason_of(error) == "invalid request: Bearer ***"
