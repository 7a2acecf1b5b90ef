"""What tests of clients that speak to the running server share."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from chat.pipeline import AnswerPipeline
from documents.models import Corpus


@pytest.fixture
def private(corpus: Corpus) -> Corpus:
    """Only those who have a key for it may read the small site."""
    Corpus.objects.filter(pk=corpus.pk).update(is_public=False)
    return corpus


@pytest.fixture
def written_by(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lets this model answer, whichever is configured."""

    def choose(model: Any, quotes: Any = None) -> None:
        built = AnswerPipeline.from_settings.__func__

        def pipeline(cls: type) -> AnswerPipeline:
            return replace(built(cls), model=model, quotes=quotes)

        monkeypatch.setattr(AnswerPipeline, "from_settings", classmethod(pipeline))

    return choose
