"""`manage.py evaluate`, as an operator and as CI would call it."""

import json
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from chat.evaluation import running
from chat.models import Conversation, Message
from chat.rewriting import Rewritten
from documents.embedding.bundled import BundledEmbedder
from documents.models import Chunk, Corpus
from documents.providers import get_index
from tests.chat.evaluation.test_cases import LAMP, UNKNOWN

HISTORY = [
    {"role": "user", "content": "How often does the lamp turn?"},
    {"role": "assistant", "content": "Once in twelve seconds."},
]
COLOURS = {
    "id": "lh-4", "question": "And which colours does it have?", "type": "follow-up",
    "answer_page": "guide/lamp.md", "answer_heading": "Colours", "history": HISTORY,
}  # fmt: skip


@pytest.fixture
def questions(tmp_path):
    """Write rows, or lines as they are, into a file of questions."""

    def write(*rows, name="lighthouse.jsonl"):
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        path = tmp_path / name
        path.write_text("\n".join(lines), encoding="utf-8")
        return str(path)

    return write


@pytest.fixture
def beir(tmp_path):
    """Write a BEIR folder."""

    def write(corpus, queries, qrels, name="ships"):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, corpus)))
        (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)))
        (folder / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n" + "\n".join(qrels))
        return str(folder)

    return write


@pytest.fixture
def ships(beir):
    return beir(
        [
            {"_id": "a", "title": "Sails", "text": "A schooner has two masts."},
            {"_id": "b", "title": "Steam", "text": "A boiler feeds the engine of a steamer."},
        ],
        [
            {"_id": "1", "text": "How many masts does a schooner have?"},
            {"_id": "2", "text": "Who discovered America?"},
        ],
        ["1\ta\t1"],
    )


@pytest.fixture
def evaluate(capsys):
    """Evaluate, and return the result that is printed as JSON."""

    def run(*sets, **options):
        call_command("evaluate", *sets, json=True, **options)
        return json.loads(capsys.readouterr().out)

    return run


def means(result, position=0):
    return {name: m["mean"] for name, m in result["sets"][position]["measures"].items()}


# What it measures


def test_answers_are_measured_on_the_production_path(corpus, questions, evaluate):
    result = evaluate(questions(LAMP, UNKNOWN), corpus="lighthouse")

    figures = means(result)
    assert figures["page@5"] == figures["section@5"] == figures["key_facts"] == 1
    assert figures["citation_precision"] == figures["citation_recall"] == 1
    assert figures["right_abstentions"] == 1
    assert figures["wrong_abstentions"] == figures["errors"] == figures["copy_rate"] == 0
    assert result["sets"][0]["by_type"]["fact"]["page@5"] == 1
    assert result["sets"][0]["outcomes"] == {"answered": 1, "not_in_content": 1}
    assert result["sets"][0]["latency"]["total"]["p95"] > 0
    assert result["about"]["parts"]["model"] == "extractive"


def test_earlier_turns_are_heard(corpus, questions, evaluate):
    result = evaluate(questions(COLOURS), corpus="lighthouse")

    (row,) = result["sets"][0]["rows"]
    assert row["values"]["section@5"] == 1
    assert "white" in row["answer"]


def test_the_same_questions_twice_give_the_same_answers(corpus, questions, evaluate):
    path = questions(LAMP, COLOURS, UNKNOWN)

    first, second = (evaluate(path, corpus="lighthouse")["sets"][0] for _ in range(2))

    for result in (first, second):
        for row in result["rows"]:
            del row["timings"]
    assert first["rows"] == second["rows"]
    assert first["measures"] == second["measures"]


def test_conversations_of_an_evaluation_are_not_seen_afterwards(corpus, questions, evaluate):
    evaluate(questions(LAMP, COLOURS), corpus="lighthouse")

    assert not Conversation.objects.exists()
    assert not Message.objects.exists()


def test_what_a_killed_evaluation_left_goes_with_the_next(corpus, questions, evaluate, monkeypatch):
    left = Conversation.objects.create(corpus=corpus, owner=f"user:{running.OWNER}7")
    real = Conversation.objects.create(corpus=corpus, owner="user:7")

    evaluate(questions(LAMP), corpus="lighthouse")
    assert Conversation.objects.filter(pk=left.pk).exists()  # it may still be at work

    Conversation.objects.update(created_at=left.created_at - 2 * running.ABANDONED)
    evaluate(questions(LAMP), corpus="lighthouse")
    assert list(Conversation.objects.all()) == [real]


def test_no_rate_limit_stands_in_the_way(corpus, questions, evaluate, settings):
    settings.QUESTIONS_PER_MINUTE = 1
    rows = [{**LAMP, "id": str(number)} for number in range(3)]
    assert means(evaluate(questions(*rows), corpus="lighthouse"))["errors"] == 0


def test_an_error_is_counted_and_does_not_end_it(corpus, questions, evaluate, monkeypatch):
    monkeypatch.setattr("chat.pipeline.rewrite", _fails_for(LAMP["question"]))
    result = evaluate(questions(LAMP, COLOURS), corpus="lighthouse")
    assert means(result)["errors"] == 0.5
    assert result["sets"][0]["outcomes"]["error internal"] == 1


def _fails_for(wanted):
    async def rewrite(question, history, model, **options):
        if question == wanted:
            raise RuntimeError("planted")
        return Rewritten(f"lamp {question}")

    return rewrite


# Throw-away installations


def test_pages_are_ingested_and_thrown_away(transactional_db, site, questions, evaluate):
    result = evaluate(questions(LAMP), folder=site)

    assert means(result)["section@5"] == 1
    assert not Corpus.objects.exists()
    assert not Chunk.objects.exists()


def test_the_operators_rows_and_index_are_there_again(corpus, site, questions, evaluate):
    chunks = Chunk.objects.count()

    evaluate(questions(LAMP), folder=site)

    assert Chunk.objects.count() == chunks
    assert Corpus.objects.get().slug == "lighthouse"
    assert get_index().count() == chunks


def test_kept_vectors_are_not_made_again(
    transactional_db, site, questions, evaluate, tmp_path, monkeypatch
):
    keep, embedded = tmp_path / "kept", []
    first = evaluate(questions(LAMP), folder=site, keep=keep)

    embed = BundledEmbedder.embed_documents
    monkeypatch.setattr(
        BundledEmbedder, "embed_documents", lambda self, t: embedded.extend(t) or embed(self, t)
    )
    second = evaluate(questions(LAMP), folder=site, keep=keep)

    assert not [text for text in embedded if text.startswith("The lamp\n")]  # only sentences are
    assert means(first) == means(second)


def test_a_beir_folder_is_measured_without_a_trace(transactional_db, ships, evaluate):
    result = evaluate(ships)

    assert means(result)["ndcg@10"] == 1
    assert result["sets"][0]["questions"] == 1  # the other one has no judgement
    assert not Corpus.objects.exists()


def test_a_beir_folder_can_be_asked_of_a_corpus_that_is_there(corpus, beir, evaluate):
    folder = beir([], [{"_id": "1", "text": "lamp turns"}], ["1\tguide/lamp.md\t1"])
    assert means(evaluate(folder, corpus="lighthouse"))["mrr"] == 1


def test_queries_in_another_language_share_the_judgements(transactional_db, ships, beir, evaluate):
    german = beir([], [{"_id": "1", "text": "Wie viele Masten hat der schooner?"}], [], name="de")

    result = evaluate(ships, queries=Path(german) / "queries.jsonl")
    assert result["sets"][0]["name"] == "ships-de"
    assert means(result)["ndcg@10"] == 1


def test_a_part_can_be_left_out(corpus, questions, evaluate):
    path = questions(LAMP, UNKNOWN)
    assert means(evaluate(path, corpus="lighthouse", without=["gate"]))["right_abstentions"] == 0
    assert means(evaluate(path, corpus="lighthouse"))["right_abstentions"] == 1


def test_several_sets_are_evaluated_in_one_call(corpus, questions, ships, evaluate):
    first, second = questions(LAMP), questions(UNKNOWN, name="unknown.jsonl")

    result = evaluate(first, second, corpus="lighthouse")
    assert [one["name"] for one in result["sets"]] == ["lighthouse", "unknown"]

    with pytest.raises(CommandError, match="Two sets are called lighthouse"):
        evaluate(first, first, corpus="lighthouse")


# What it leaves behind


def test_a_result_is_a_baseline_for_the_next(corpus, questions, tmp_path, capsys):
    path, saved = questions(LAMP, UNKNOWN), tmp_path / "before.json"
    call_command("evaluate", path, corpus="lighthouse", save=saved)
    capsys.readouterr()

    call_command("evaluate", path, corpus="lighthouse", baseline=saved, without=["gate"])

    told = capsys.readouterr().out
    assert "Against the baseline" in told
    assert "| right_abstentions  | 1.000  | 0.000 | -1.000" in told


def test_reports_are_written(corpus, questions, tmp_path):
    pages = [tmp_path / "report.md", tmp_path / "report.html"]
    call_command("evaluate", questions(LAMP), corpus="lighthouse", report=pages)

    text, html = (page.read_text() for page in pages)
    assert "| page@5" in text
    assert "<svg" in html
    assert not [
        word for word in ("<script", "http://", "https://", "url(", "@import") if word in html
    ]


def test_a_question_cannot_script_the_page(corpus, questions, tmp_path):
    hostile = {**LAMP, "question": "<script>alert(1)</script>", "type": "<b>"}
    path = tmp_path / "report.html"
    call_command("evaluate", questions(hostile), corpus="lighthouse", report=[path])
    assert "<script" not in path.read_text()
    assert "<b>" not in path.read_text()


def test_a_figure_below_its_threshold_ends_with_an_error(corpus, questions):
    limits = ["page@5=0.5", "right_abstentions=0.9"]
    with pytest.raises(CommandError, match=r"right_abstentions of lighthouse is 0, below 0\.9"):
        call_command(
            "evaluate", questions(LAMP, UNKNOWN), corpus="lighthouse", without=["gate"],
            fail_under=limits,
        )  # fmt: skip


# What is not understood


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([LAMP, "{oh no"], "lighthouse.jsonl, line 2: not JSON"),
        ([], "holds no question"),
        ([LAMP, {**LAMP, "id": "x", "answer_page": "lamp.md"}],
         'line 2 (x): the corpus "lighthouse" has no page "lamp.md". Is it "guide/lamp.md"?'),
    ],
)  # fmt: skip
def test_a_set_that_cannot_be_used_is_explained(corpus, questions, rows, said):
    with pytest.raises(CommandError) as raised:
        call_command("evaluate", questions(*rows), corpus="lighthouse")
    assert said in str(raised.value)


def test_a_heading_that_is_not_there_is_told(corpus, questions, capsys):
    row = {**LAMP, "answer_heading": "Tming"}
    call_command("evaluate", questions(row), corpus="lighthouse")
    assert 'line 1 (lh-1): guide/lamp.md has no heading "Tming"' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "Say what to ask lighthouse.jsonl of: --corpus SLUG"),
        ({"corpus": "nowhere"}, 'There is no corpus "nowhere". Corpora: lighthouse.'),
        ({"corpus": "lighthouse", "fail_under": ["x=1"]}, 'there is no measure "x"'),
        ({"corpus": "lighthouse", "report": ["a.pdf"]}, "must end in .md or .html"),
        ({"corpus": "lighthouse", "baseline": "none.json"}, "none.json cannot be read"),
        ({"corpus": "lighthouse", "baseline": __file__}, "holds no result of an evaluation"),
        ({"folder": "nowhere"}, "--folder nowhere is no folder"),
        ({"corpus": "lighthouse", "limit": 0}, "--limit must be 1 or more"),
        ({"corpus": "lighthouse", "save": "no/folder/x.json"}, "cannot be written"),
    ],
)
def test_a_call_that_cannot_work_is_explained(corpus, questions, options, said):
    if "report" in options:
        options = {**options, "report": [Path(name) for name in options["report"]]}
    for name in ("baseline", "folder", "save"):
        if name in options:
            options = {**options, name: Path(options[name])}
    with pytest.raises(CommandError) as raised:
        call_command("evaluate", questions(LAMP), **options)
    assert said in str(raised.value)


def test_what_is_no_set_is_explained(corpus, tmp_path):
    with pytest.raises(CommandError, match='no file, folder or question set "nothing"'):
        call_command("evaluate", "nothing", corpus="lighthouse")
    with pytest.raises(CommandError, match=r"holds no qrels\.tsv, so it is no BEIR folder"):
        call_command("evaluate", str(tmp_path), corpus="lighthouse")


A_TEXT, A_QUERY, A_JUDGEMENT = {"_id": "a", "text": "A"}, {"_id": "1", "text": "?"}, "1\ta\t1"


@pytest.mark.parametrize(
    ("corpus_rows", "query", "judgement", "said"),
    [
        ([{"_id": "a"}], A_QUERY, A_JUDGEMENT, 'corpus.jsonl, line 1: "_id" and'),
        ([A_TEXT], {"_id": "2", "text": "?"}, A_JUDGEMENT, "none of its queries"),
        ([A_TEXT], A_QUERY, "1\ta", "line 2: not a judgement"),
        ([], A_QUERY, A_JUDGEMENT, "holds no text"),
    ],
)
def test_a_bad_beir_folder_is_explained(
    transactional_db, beir, corpus_rows, query, judgement, said
):
    with pytest.raises(CommandError) as raised:
        call_command("evaluate", beir(corpus_rows, [query], [judgement]))
    assert said in str(raised.value)


def test_without_ir_measures_it_says_how_to_install_them(corpus, questions, monkeypatch):
    monkeypatch.setitem(sys.modules, "ir_measures", None)
    with pytest.raises(CommandError, match=r"pip install -r requirements-eval\.txt"):
        call_command("evaluate", questions(LAMP), corpus="lighthouse")
