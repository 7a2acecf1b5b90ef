"""ExtractiveModel: the right sentences, word for word, readable and cited."""

import re

import numpy as np

from chat.llm.base import TextPart
from chat.llm.extractive import ExtractiveModel
from chat.sentences import plain, without_links
from documents.embedding.base import EmbeddingError
from tests.chat.samples import answer_of, outputs_of, passage, prompt

SECRET = """## Secret key

The secret key signs the tokens. Keep it out of the repository.

To generate a secure random secret key use the command:

```console
$ openssl rand -hex 32
```

Tokens expire after 30 minutes by default. You can change [the lifetime](settings.md#lifetime).
"""
CORS = passage(
    "The default parameters are restrictive.\n\n"
    "* `max_age` - Sets a maximum time in seconds for browsers to cache CORS responses. "
    "Defaults to `600`.\n"
    "* `allow_headers` - A list of HTTP request headers that should be supported.\n",
    title="CORS",
)
QUOTE = re.compile(r"^> “(.+)” \[(\w+)\]$", re.MULTILINE)


class TopicEmbedder:
    """Two dimensions: about cats, or not."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    def embed_documents(self, texts: list[str]) -> np.ndarray:
        self.batches.append(texts)
        return np.array([self._vector(text) for text in texts], np.float32)

    async def embed_query(self, text: str) -> np.ndarray:
        return np.array(self._vector(text), np.float32)

    def _vector(self, text: str) -> list[float]:
        return [1.0, 0.0] if re.search(r"cat|feline", text.lower()) else [0.0, 1.0]


async def quotes_of(question: str, *passages, embedder=None) -> list[tuple[str, str]]:
    text, _ = await answer_of(ExtractiveModel(embedder), prompt(question, *passages))
    return QUOTE.findall(text)


async def test_the_sentence_that_answers_is_quoted_and_cited():
    text, completion = await answer_of(
        ExtractiveModel(), prompt("When do tokens expire?", passage(SECRET, title="Security"))
    )
    assert text == "From “Security”:\n\n> “Tokens expire after 30 minutes by default.” [a1z]"
    assert (completion.model, completion.finish_reason) == ("extractive", "stop")


async def test_it_says_that_it_writes_no_prose():
    assert ExtractiveModel.writes_prose is False


async def test_quotes_are_verbatim_but_for_links():
    quoted = await quotes_of("Can I change the lifetime of tokens?", SECRET)
    assert ("You can change the lifetime.", "a1z") in quoted
    source = without_links(SECRET)
    assert all(text in source for text, _ in quoted)


async def test_a_list_item_is_quoted_whole_and_without_its_bullet():
    (quoted, _) = (await quotes_of("What is the default of max_age?", CORS))[0]
    assert quoted.startswith("`max_age` - Sets")
    assert quoted.endswith("Defaults to `600`.")


async def test_a_question_for_a_command_gets_the_code_it_belongs_to():
    text, _ = await answer_of(
        ExtractiveModel(), prompt("Which command generates a random secret key?", SECRET)
    )
    assert "use the command:” [a1z]\n\n```console\n$ openssl rand -hex 32\n```\n\n[a1z]" in text


async def test_code_in_a_list_item_is_made_flush():
    steps = "1. Install the package with this command:\n\n   ```sh\n   pip install x\n   ```\n"
    text, _ = await answer_of(ExtractiveModel(), prompt("How do I install the package?", steps))
    assert "\n\n```sh\npip install x\n```\n\n" in text


async def test_code_is_never_cut():
    long_fence = "```sh\n" + "echo install\n" * 30 + "```"
    open_fence = "```sh\necho install"
    for fence in (long_fence, open_fence):
        text, _ = await answer_of(
            ExtractiveModel(), prompt("Which command installs it?", f"Install it so:\n\n{fence}")
        )
        assert "echo" not in text
        assert "Install it so:" in text


async def test_headings_are_never_quoted():
    quoted = await quotes_of("secret key", SECRET)
    assert quoted
    assert all(text != "Secret key" for text, _ in quoted)


async def test_a_sentence_that_points_back_comes_with_the_one_before():
    text = "Jekyll hides files that begin with an underscore. It is best disabled with .nojekyll."
    quoted = await quotes_of("How is .nojekyll used to get it disabled?", text)
    assert quoted == [(text, "a1z")]


async def test_quotes_stand_in_the_order_of_the_passages_and_name_each_title_once():
    first = passage("Cats sleep all day. Cats sleep on sofas at night.", title="Cats")
    second = passage("Kittens and cats sleep even longer than dogs do.", title="Kittens")
    text, _ = await answer_of(ExtractiveModel(), prompt("Where do cats sleep?", first, second))
    assert re.findall(r"From “(\w+)”:", text) == ["Cats", "Kittens"]
    assert [marker for _, marker in QUOTE.findall(text)] == ["a1z", "a1z", "a2z"]


async def test_what_was_said_is_not_said_again():
    texts = (
        "The port is 8000 by default.",
        "The port is 8000 by default!",
        "By default the port is 8000.",
    )
    assert len(await quotes_of("What is the default port?", *texts)) == 1


async def test_at_most_five_quotes():
    names = ("alpha", "beta", "pi", "rho", "tau", "phi", "psi")
    text = " ".join(f"The port of {name} is open." for name in names)
    other = "Every port of omega stays open. Nobody knows the port of sigma."
    assert 1 <= len(await quotes_of("Which port is open?", text, other)) <= 5


async def test_the_best_sentence_is_quoted_even_when_it_is_bad():
    assert len(await quotes_of("Quantum chromodynamics?", "Bread is baked. Milk is drunk.")) == 1


async def test_questions_and_dangling_colons_are_the_last_choice():
    text = "What is the default port? The default port settings are:\n\nThe default port is 8000."
    assert await quotes_of("What is the default port?", text) == [
        ("The default port is 8000.", "a1z")
    ]


async def test_nothing_in_a_quote_can_pass_for_a_citation():
    text = "The result of step one [1] goes to [b2c] and `items[0]` of the list."
    ((quoted, marker),) = await quotes_of("Where does the result go?", text)
    assert quoted == r"The result of step one \[1\] goes to \[b2c\] and `items[0]` of the list."
    assert plain(quoted) == plain(text)
    assert marker == "a1z"


async def test_meaning_counts_when_there_is_an_embedder():
    embedder = TopicEmbedder()
    texts = ("The feline rests. The question of dogs rests.",)
    ((quoted, _),) = await quotes_of("What about cats?", *texts, embedder=embedder)
    assert quoted == "The feline rests."


async def test_a_few_sentences_are_embedded_in_one_batch():
    embedder = TopicEmbedder()
    texts = [". ".join(f"Fact {n} of part {part} is new" for n in range(20)) for part in range(6)]
    await quotes_of("Which facts are new?", *texts, embedder=embedder)
    assert [len(batch) for batch in embedder.batches] == [8]


async def test_without_its_embedder_the_words_decide():
    class Broken(TopicEmbedder):
        def embed_documents(self, texts: list[str]) -> np.ndarray:
            raise EmbeddingError("no model")

    assert await quotes_of("When do tokens expire?", SECRET, embedder=Broken()) == [
        ("Tokens expire after 30 minutes by default.", "a1z")
    ]


async def test_other_scripts_are_quoted_too():
    text = "これは序文です。トークンは30分で期限切れになります。鍵は秘密です。"
    japanese = passage(text, title="安全", language="ja")
    ((quoted, _),) = await quotes_of("トークンの期限はいつ切れますか?", japanese)
    assert quoted == "トークンは30分で期限切れになります。"


async def test_a_table_row_is_quoted_without_its_bars():
    table = "| name | default |\n|------|------|\n| PORT | 8000 |\n| HOST | localhost |\n"
    ((quoted, _),) = await quotes_of("What is the default of PORT?", table)
    assert quoted == "PORT | 8000"


async def test_it_streams_in_a_few_parts():
    outputs = await outputs_of(ExtractiveModel(), prompt("When do tokens expire?", SECRET))
    assert [type(output) for output in outputs[:-1]] == [TextPart] * (len(outputs) - 1)
    assert len(outputs) >= 3
