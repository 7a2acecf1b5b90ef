"""Extractive answers: how many of the key facts they hold, and what comparing sentences costs.

    python benchmarks/extractive.py                     # the handbook, in a database of its own
    python benchmarks/extractive.py --embedded 0,8,16,32

`in passages` is the most that an answer could hold. 0 sentences embedded: words alone decide.
"""

import argparse
import asyncio
import json
from time import perf_counter

from environment import ROOT, set_up


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--embedded", default="0,8,32", help="sentences embedded for a question")
    counts = [int(count) for count in parser.parse_args().embedded.split(",")]
    folder = set_up()
    from django.core.management import call_command

    call_command("ingest", str(ROOT / "docs" / "handbook"), corpus="handbook")
    lines = (ROOT / "benchmarks" / "handbook_questions.jsonl").read_text().splitlines()
    questions = [q for q in map(json.loads, lines) if q["type"] != "unanswerable"]
    print("embedded  in answer  in passages  of facts  ms/question")
    asyncio.run(measure(questions, counts))
    folder.cleanup()


async def measure(questions: list[dict], counts: list[int]) -> None:
    from chat.llm import extractive
    from chat.llm.base import TextPart
    from chat.prompting import build_prompt
    from chat.retrieval import Retriever
    from documents.models import Corpus
    from documents.providers import get_local_embedder
    from documents.scope import Scope

    corpus = await Corpus.objects.aget(slug="handbook")
    retriever, scope = Retriever.from_settings(), Scope(frozenset([corpus.pk]))
    found = [(q, (await retriever.search(q["question"], scope)).passages) for q in questions]
    facts = sum(len(question["key_facts"]) for question in questions)
    for count in counts:
        extractive.MAX_EMBEDDED = count
        model = extractive.ExtractiveModel(get_local_embedder() if count else None)
        answered = reachable = 0
        began = perf_counter()
        for question, passages in found:
            prompt = build_prompt(question["question"], passages, [], seed=question["id"])
            parts = [part async for part in model.stream(prompt)]
            text = "".join(part.text for part in parts if isinstance(part, TextPart))
            answered += held(question, text.replace("\\", ""))
            reachable += held(question, "\n".join(passage.text for passage in passages))
        spent = (perf_counter() - began) * 1000 / len(found)
        print(f"{count:8} {answered:10} {reachable:12} {facts:9} {spent:12.0f}")


def held(question: dict, text: str) -> int:
    return sum(fact.lower() in text.lower() for fact in question["key_facts"])


if __name__ == "__main__":
    main()
