"""`manage.py check` explains sign-in by Better Auth that is half set or not safe."""

import pytest
from django.core.checks import run_checks

from documents.checks import OURS

URL = {"BETTER_AUTH_URL": "https://auth.example.org", "BETTER_AUTH_AUDIENCE": "rag-api"}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, []),
        (URL, []),
        ({"BETTER_AUTH_AUDIENCE": "rag-api"}, ["chat.E010"]),
        ({"BETTER_AUTH_ISSUER": "x", "BETTER_AUTH_JWKS_URL": "y"}, ["chat.E010", "chat.E010"]),
        ({**URL, "BETTER_AUTH_AUDIENCE": ""}, ["chat.W011"]),
        ({**URL, "BETTER_AUTH_ALGORITHMS": ["EdDSA", "HS256"]}, ["chat.E011"]),
        ({**URL, "BETTER_AUTH_ALGORITHMS": ["none"]}, ["chat.E011"]),
        ({**URL, "BETTER_AUTH_ALGORITHMS": []}, ["chat.E011"]),
        ({**URL, "BETTER_AUTH_URL": "auth.example.org"}, ["chat.E012"]),
        ({**URL, "BETTER_AUTH_JWKS_URL": "file:///etc/jwks"}, ["chat.E012"]),
        ({**URL, "BETTER_AUTH_URL": "http://[x"}, ["chat.E012"]),
        ({**URL, "BETTER_AUTH_URL": "http://auth.example.org"}, ["chat.W012"]),
        ({**URL, "BETTER_AUTH_URL": "http://auth.example.org", "HTTPS": True}, ["chat.E013"]),
        ({**URL, "BETTER_AUTH_ISSUER": "http://auth.example.org", "HTTPS": True}, ["chat.E013"]),
        ({**URL, "BETTER_AUTH_URL": "http://127.0.0.1:3005", "HTTPS": True}, []),
        ({**URL, "BETTER_AUTH_ISSUER": "ours"}, []),
    ],
)
def test_sign_in_that_does_not_fit_is_explained(settings, changed, expected):
    for name, value in changed.items():
        setattr(settings, name, value)
    # With HTTPS there is more to say, which is not about signing in.
    found = [found for found in run_checks(tags=[OURS]) if found.id.startswith("chat.")]
    assert [message.id for message in found] == expected
    assert all(message.hint for message in found)
