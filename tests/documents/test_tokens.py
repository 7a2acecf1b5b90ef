"""Estimates of tokens."""

from documents.tokens import estimate_tokens


def test_token_estimates_are_on_the_safe_side():
    assert estimate_tokens("") == 0
    assert 10 <= estimate_tokens("The quick brown fox jumps over the lazy dog.") <= 16
    assert 7 <= estimate_tokens("私は猫である。") <= 10
    assert estimate_tokens("x" * 400) >= 100
