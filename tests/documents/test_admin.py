"""The admin: everything opens, curation reaches the index, permissions hold, texts stay texts."""

import re
from datetime import date, timedelta

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from chat.models import ApiKey, Citation, Conversation, Message, Question, QuestionSet
from chat.retrieval import Retriever
from documents.index.base import IndexQuery
from documents.index.sparse import encode_query
from documents.models import (
    Chunk,
    Corpus,
    Document,
    IndexChange,
    ProviderUsage,
    Source,
    Tombstone,
    Upload,
)
from documents.providers import get_index
from documents.scope import Scope
from ingestion.models import IngestionItem, IngestionRun
from tests.uploading import LAMP as LAMP_PAGE
from tests.uploading import given, keep_uploads_in, work_through_the_queue

MODELS = [
    "documents.corpus", "documents.source", "documents.document", "documents.chunk",
    "documents.upload", "documents.tombstone", "documents.providerusage",
    "ingestion.ingestionrun", "ingestion.ingestionitem",
    "chat.conversation", "chat.message", "chat.apikey", "chat.questionset", "chat.question",
]  # fmt: skip
LAMP = "How long does the lamp take to turn?"
SCRIPT = "<script>alert(1)</script>"

pytestmark = pytest.mark.django_db(transaction=True)
in_both_indexes = pytest.mark.parametrize(
    "store", ["", ":memory:"], ids=["embedded", "qdrant"], indirect=True
)


@pytest.fixture
def store(request, settings):
    settings.QDRANT_URL = getattr(request, "param", "")


@pytest.fixture
def corpus(store, corpus):
    return corpus


@pytest.fixture
def admin(client):
    client.force_login(User.objects.create_superuser("eve"))
    return client


@pytest.fixture
def staff(client):
    """Log in somebody with these permissions only."""

    def log_in(*permissions):
        user = User.objects.create_user("joe", is_staff=True)
        for name in permissions:
            app, codename = name.split(".")
            user.user_permissions.add(
                Permission.objects.get(content_type__app_label=app, codename=codename)
            )
        client.force_login(user)
        return client

    return log_in


@pytest.fixture
def lamp(corpus):
    return Document.objects.get(key="guide/lamp.md")


@pytest.fixture
def search(corpus):
    """The documents a reader finds; they must be just those that the index itself would find."""
    retriever, scope = Retriever.from_settings(), Scope(frozenset([corpus.pk]))

    def passages(query=LAMP):
        words = IndexQuery(None, encode_query(query, "en"), scope)
        hits = get_index().search_now(words, 50)
        assert {hit.chunk_id for hit in hits} == {
            passage.chunk_id for passage in Chunk.objects.live(scope).passages(hits)
        }
        return async_to_sync(retriever.search)(query, scope).passages

    assert any("twelve seconds" in passage.text for passage in passages())
    return passages


@pytest.fixture
def one_of_each(lamp):
    """A row of every model that has a page, by its label."""
    conversation = Conversation.objects.create(corpus=lamp.corpus, owner="user:1", title="Lamps")
    _, answer = Message.objects.open_turn(conversation, LAMP)
    chunk = lamp.chunks.first()
    Citation.objects.create(
        message=answer, number=1, chunk=chunk, title=SCRIPT, url="https://docs.example.org/lamp",
        quote=SCRIPT, quote_start=0, quote_end=5,
    )  # fmt: skip
    key, _secret = ApiKey.objects.create_key(name="a backend")
    questions = QuestionSet.objects.create(slug="asked", corpus=lamp.corpus)
    question = Question.objects.create(
        question_set=questions, key="lamp", question="How often?", answer_page="guide/lamp.md"
    )
    return {
        "documents.corpus": lamp.corpus, "documents.source": lamp.source,
        "documents.document": lamp, "documents.chunk": chunk,
        "documents.upload": Upload.objects.create(
            source=lamp.source, key="guide/lamp.md", stored_as="ab/abcd", sha256="abcd", size=1
        ),
        "documents.tombstone": Tombstone.objects.create(source=lamp.source, key="lamp-post.md"),
        "documents.providerusage": ProviderUsage.objects.create(
            provider="cohere", key="abc", operation="embed", model="m", day=date(2026, 11, 30)
        ),
        "ingestion.ingestionrun": IngestionRun.objects.get(),
        "ingestion.ingestionitem": IngestionItem.objects.get(key="guide/lamp.md"),
        "chat.conversation": conversation, "chat.message": answer, "chat.apikey": key,
        "chat.questionset": questions, "chat.question": question,
    }  # fmt: skip


def address(model, page, *arguments):
    return reverse(f"admin:{model.replace('.', '_')}_{page}", args=arguments)


def change_page(row):
    return address(row._meta.label_lower, "change", row.pk)


def act(client, action, *rows):
    return client.post(
        address(rows[0]._meta.label_lower, "changelist"),
        {"action": action, "_selected_action": [row.pk for row in rows]},
        follow=True,
    )


def form_of(response):
    """Every field of the page's form, with its value, as a browser would send it back."""
    forms = [response.context["adminform"].form, *response.context["inline_admin_formsets"]]
    data = {}
    for group in forms:
        formset = getattr(group, "formset", None)
        members = [group] if formset is None else [formset.management_form, *formset.forms]
        for form in members:
            for bound in form:
                if (value := bound.value()) not in (None, False):
                    data[bound.html_name] = value
    return data


# Pages open


@pytest.mark.parametrize("model", MODELS)
def test_lists_and_pages_open(admin, one_of_each, model):
    assert admin.get(address(model, "changelist")).status_code == 200
    assert admin.get(change_page(one_of_each[model])).status_code == 200


@pytest.mark.parametrize("model", MODELS)
def test_lists_can_be_searched_and_filtered(admin, one_of_each, model):
    page = admin.get(address(model, "changelist"), {"q": "lamp"})
    assert page.status_code == 200
    for spec in page.context["cl"].filter_specs:
        for choice in list(spec.choices(page.context["cl"]))[:2]:
            assert (
                admin.get(address(model, "changelist") + choice["query_string"]).status_code == 200
            )


@pytest.mark.parametrize("model", MODELS)
def test_permission_to_view_opens_them_too(staff, one_of_each, model):
    app, name = model.split(".")
    asked = model in ("chat.conversation", "chat.message")
    client = staff("chat.read_conversations" if asked else f"{app}.view_{name}")
    assert client.get(address(model, "changelist")).status_code == 200
    assert client.get(change_page(one_of_each[model])).status_code == 200


@pytest.mark.parametrize("model", MODELS)
def test_without_permission_they_stay_closed(staff, one_of_each, model):
    client = staff()
    assert client.get(address(model, "changelist")).status_code == 403
    assert client.get(change_page(one_of_each[model])).status_code == 403


@pytest.mark.parametrize("page", ["ingest", "upload"])
def test_without_permission_one_cannot_tell_whether_a_source_is_there(staff, lamp, page):
    client = staff("documents.view_document")
    pages = [f"/admin/documents/source/{pk}/{page}/" for pk in (lamp.source_id, 987654)]

    assert [client.post(page).status_code for page in pages] == [403, 403]


def test_visitors_are_asked_to_sign_in(client, lamp):
    assert "/admin/login/" in client.get(change_page(lamp)).headers["Location"]


@pytest.mark.parametrize(
    "model",
    ["documents.document", "documents.chunk", "documents.upload", "documents.tombstone",
     "ingestion.ingestionrun", "ingestion.ingestionitem", "chat.message"],
)  # fmt: skip
def test_what_comes_from_elsewhere_cannot_be_added(admin, model):
    assert admin.get(address(model, "add")).status_code == 403


@pytest.mark.parametrize(
    "model",
    ["ingestion.ingestionrun", "ingestion.ingestionitem", "documents.upload", "documents.tombstone",
     "chat.conversation", "chat.message"],
)  # fmt: skip
def test_records_cannot_be_edited(admin, one_of_each, model):
    assert admin.post(change_page(one_of_each[model]), {}).status_code == 403


# Curation


@in_both_indexes
def test_withdrawing_takes_effect_in_the_next_search_and_can_be_undone(admin, lamp, search):
    answer = act(admin, "withdraw", lamp)
    assert "1 document is now withdrawn." in answer.content.decode()
    assert not any(passage.document_id == lamp.pk for passage in search())
    act(admin, "publish", lamp)
    assert any(passage.document_id == lamp.pk for passage in search())


@pytest.mark.parametrize(
    ("action", "tier"),
    [
        ("mark_official", "official"),
        ("mark_peer_reviewed", "peer-reviewed"),
        ("mark_retracted", "retracted"),
    ],
)
def test_trust_is_set_by_hand_and_reaches_the_passages(admin, lamp, search, action, tier):
    act(admin, action, lamp)
    lamp.refresh_from_db()
    assert (lamp.trust_tier, lamp.trust_reason) == (tier, "set by eve")
    assert {p.trust_tier for p in search() if p.document_id == lamp.pk} == {tier}


@in_both_indexes
def test_a_search_narrowed_by_trust_follows(admin, lamp, search):
    act(admin, "mark_official", lamp)
    scope = Scope(frozenset([lamp.corpus_id]), trust_tiers=frozenset(["official"]))
    found = async_to_sync(Retriever.from_settings().search)(LAMP, scope)
    assert {passage.document_id for passage in found.passages} == {lamp.pk}


def test_reading_a_document_again_is_a_run_of_its_own(admin, lamp, search, site):
    page = site / "guide" / "lamp.md"
    page.write_text(page.read_text().replace("twelve", "fifteen"))
    act(admin, "ingest_again", lamp)
    work_through_the_queue()
    run = IngestionRun.objects.first()
    assert (run.status, run.counts["changed"], run.counts["unchanged"]) == ("succeeded", 1, 3)
    assert any("fifteen seconds" in passage.text for passage in search())


@in_both_indexes
def test_reading_a_source_again_picks_up_new_pages(admin, lamp, search, site):
    (site / "horn.md").write_text("# Horn\n\nThe fog horn sounds every ninety seconds.\n")
    act(admin, "ingest", lamp.source)
    work_through_the_queue()
    assert IngestionRun.objects.first().status == "succeeded"
    assert any("ninety seconds" in passage.text for passage in search("fog horn"))


def test_a_run_that_was_asked_for_and_fails_says_why(admin, lamp, site):
    site.rename(site.with_name("elsewhere"))
    act(admin, "ingest", lamp.source)
    work_through_the_queue()
    run = IngestionRun.objects.first()
    assert run.status == "failed"
    assert "there is no folder" in run.error


@in_both_indexes
def test_saving_the_page_of_a_document_reaches_the_index(admin, lamp, search):
    page = admin.get(change_page(lamp))
    answer = admin.post(change_page(lamp), form_of(page) | {"status": "withdrawn"})
    assert answer.status_code == 302, answer.context["errors"]
    assert not any(passage.document_id == lamp.pk for passage in search())


def test_a_trust_tier_changed_on_the_page_counts_as_set_by_hand(admin, lamp):
    page = admin.get(change_page(lamp))
    admin.post(change_page(lamp), form_of(page) | {"trust_tier": "official"})
    lamp.refresh_from_db()
    assert (lamp.trust_tier, lamp.trust_reason) == ("official", "set by eve")


def facts(document):
    document.refresh_from_db()
    return document.authors, document.year, document.doi, document.set_by_hand


def test_what_a_curator_corrects_stays_until_it_is_given_back(admin, lamp, site):
    """However often the document changes at its source meanwhile."""
    page = site / "guide" / "lamp.md"
    text = page.read_text()

    def written_by(author):
        page.write_text(f"---\nauthor: {author}\nyear: 2020\ndoi: 10.1234/a\n---\n\n{text}")

    def read_again(action="ingest_again"):
        act(admin, action, lamp)
        work_through_the_queue()

    written_by("Ann Lee")
    read_again()
    assert facts(lamp) == (["Ann Lee"], 2020, "10.1234/a", [])

    form = form_of(admin.get(change_page(lamp)))
    corrected = {"authors": '["Ada Byron"]', "doi": ""}
    assert admin.post(change_page(lamp), form | corrected).status_code == 302
    written_by("Bo Ek")
    read_again()
    assert facts(lamp) == (["Ada Byron"], 2020, "", ["authors", "doi"])
    assert "[&quot;authors&quot;, &quot;doi&quot;]" in admin.get(change_page(lamp)).content.decode()

    read_again("give_back")
    assert facts(lamp) == (["Bo Ek"], 2020, "10.1234/a", [])


@pytest.mark.parametrize("names", ['"Ada"', "[1]", '{"name": "Ada"}'])
def test_authors_are_a_list_of_names(admin, lamp, names):
    form = form_of(admin.get(change_page(lamp)))
    answer = admin.post(change_page(lamp), form | {"authors": names})
    assert "Write a list of names" in answer.content.decode()


def test_a_document_may_have_no_authors(admin, lamp):
    form = form_of(admin.get(change_page(lamp)))
    assert admin.post(change_page(lamp), form | {"authors": ""}).status_code == 302
    assert facts(lamp)[0] == []


@in_both_indexes
def test_a_chunk_is_switched_off_on_the_page_of_its_document(admin, lamp, search):
    data = form_of(admin.get(change_page(lamp)))
    number = [chunk.text for chunk in lamp.chunks.all()].index(
        lamp.chunks.get(text__contains="twelve seconds").text
    )
    del data[f"chunks-{number}-enabled"]
    assert admin.post(change_page(lamp), data).status_code == 302
    assert not any("twelve seconds" in passage.text for passage in search())


@in_both_indexes
def test_a_chunk_is_switched_off_and_on_on_its_own_page(admin, lamp, search):
    chunk = lamp.chunks.get(text__contains="twelve seconds")
    assert admin.post(change_page(chunk), {}).status_code == 302
    assert not any(passage.chunk_id == chunk.pk for passage in search())
    admin.post(change_page(chunk), {"enabled": "on"})
    assert any(passage.chunk_id == chunk.pk for passage in search())


@in_both_indexes
def test_a_chunk_goes_only_together_with_its_document(admin, lamp, search):
    chunk = lamp.chunks.first()
    assert admin.post(address("documents.chunk", "delete", chunk.pk)).status_code == 403
    admin.post(address("documents.document", "delete", lamp.pk), {"post": "yes"})
    assert not Document.objects.filter(pk=lamp.pk).exists()
    assert not any(passage.document_id == lamp.pk for passage in search())


def test_an_index_that_is_away_is_told_later_and_readers_see_the_change_now(admin, lamp, settings):
    settings.QDRANT_URL, settings.QDRANT_TIMEOUT = "http://127.0.0.1:9", 1
    get_index.cache_clear()
    answer = act(admin, "withdraw", lamp)
    assert "Saved. The index will learn of it later" in answer.content.decode()
    assert not Chunk.objects.live(Scope(frozenset([lamp.corpus_id]))).filter(document=lamp).exists()
    assert IndexChange.objects.filter(chunk_id=lamp.chunks.first().pk).exists()


@in_both_indexes
@pytest.mark.parametrize("model", ["documents.document", "documents.source", "documents.corpus"])
@pytest.mark.parametrize("together", [False, True], ids=["one", "selected"])
def test_what_is_deleted_is_not_found_any_more(admin, one_of_each, search, model, together):
    row = one_of_each[model]
    if together:
        data = {"action": "delete_selected", "_selected_action": row.pk, "post": "yes"}
        admin.post(address(model, "changelist"), data)
    else:
        admin.post(address(model, "delete", row.pk), {"post": "yes"})
    assert not type(row).objects.filter(pk=row.pk).exists()
    assert not any("twelve seconds" in passage.text for passage in search())


def test_a_deletion_shows_its_receipt(admin, lamp, search):
    page = admin.post(
        address("documents.document", "delete", lamp.pk), {"post": "yes"}, follow=True
    )
    assert "1 document deleted; nothing is left" in page.content.decode()


def test_a_deletion_that_is_not_complete_says_what_is_left(admin, lamp, settings):
    settings.QDRANT_URL, settings.QDRANT_TIMEOUT = "http://127.0.0.1:9", 1
    get_index.cache_clear()
    page = admin.post(
        address("documents.document", "delete", lamp.pk), {"post": "yes"}, follow=True
    )
    assert "Still to go: rows 0, points unknown, files 0, pending 2" in page.content.decode()
    assert not Document.objects.filter(pk=lamp.pk).exists()


def test_what_was_deleted_comes_back_when_its_tombstone_goes(admin, lamp, search):
    source = lamp.source
    admin.post(address("documents.document", "delete", lamp.pk), {"post": "yes"})
    act(admin, "ingest", source)
    work_through_the_queue()
    assert not source.documents.filter(key=lamp.key).exists()

    stone = Tombstone.objects.get()
    assert (stone.key, stone.deleted_by) == (lamp.key, "eve")
    admin.post(address("documents.tombstone", "delete", stone.pk), {"post": "yes"})
    act(admin, "ingest", source)
    work_through_the_queue()
    assert any("twelve seconds" in passage.text for passage in search())


# Suggestions of trust


@pytest.fixture
def suggested(lamp):
    suggestion = "peer-reviewed: the DOI's prefix 10.1038 belongs to Nature Portfolio"
    Document.objects.filter(pk=lamp.pk).update(trust_suggestion=suggestion)
    return lamp


def test_a_suggestion_is_shown_and_found(admin, suggested):
    assert "belongs to Nature Portfolio" in admin.get(change_page(suggested)).content.decode()
    listed = admin.get(address("documents.document", "changelist"), {"suggestion": "yes"})
    assert list(listed.context["cl"].result_list) == [suggested]


def test_an_accepted_suggestion_is_a_tier_set_by_hand(admin, suggested, search):
    answer = act(admin, "accept_suggestion", *Document.objects.all())
    assert "1 suggestion accepted." in answer.content.decode()
    suggested.refresh_from_db()
    assert (suggested.trust_tier, suggested.trust_suggestion) == ("peer-reviewed", "")
    assert suggested.trust_reason == (
        "set by eve: the DOI's prefix 10.1038 belongs to Nature Portfolio"
    )
    assert {p.trust_tier for p in search() if p.document_id == suggested.pk} == {"peer-reviewed"}


def test_a_suggestion_that_names_no_tier_is_left_alone(admin, suggested):
    Document.objects.update(trust_suggestion="gospel: somebody said so")
    assert "0 suggestions accepted." in act(admin, "accept_suggestion", suggested).content.decode()
    suggested.refresh_from_db()
    assert (suggested.trust_tier, suggested.trust_reason) == ("unknown", "the source's default")


# Sources: schedule and uploads


@pytest.fixture
def told(monkeypatch):
    """How often the workers were told to look at the schedule."""
    calls = []
    monkeypatch.setattr("ingestion.worker.tell_workers", lambda: calls.append("look"))
    return calls


def test_a_new_interval_is_told_to_the_workers_at_once(admin, lamp, told):
    source = lamp.source
    later = timezone.now() + timedelta(days=9)
    Source.objects.update(next_sync_at=later)
    data = form_of(admin.get(change_page(source)))

    admin.post(change_page(source), data | {"trust_tier": "official"})
    source.refresh_from_db()
    assert (told, source.next_sync_at) == ([], later)

    admin.post(change_page(source), data | {"sync_hours": "6"})
    source.refresh_from_db()
    assert (told, source.sync_hours, source.next_sync_at) == (["look"], 6, None)


def test_a_source_is_read_again_from_its_page(admin, lamp):
    page = admin.get(change_page(lamp.source)).content.decode()
    again = reverse("admin:documents_source_ingest", args=[lamp.source_id])
    assert f'action="{again}"' in page

    answer = admin.post(again)
    run = IngestionRun.objects.first()
    assert (run.status, run.trigger) == ("queued", "admin")
    assert answer.headers["Location"] == change_page(run)
    assert admin.get(again).status_code == 405


@pytest.fixture
def shelf(corpus, tmp_path, settings):
    keep_uploads_in(tmp_path / "uploads", settings)
    return Source.objects.create(corpus=corpus, slug="shelf", kind="upload", location="shelf")


@pytest.fixture
def upload_page(shelf):
    return reverse("admin:documents_source_upload", args=[shelf.pk])


def test_files_are_uploaded_on_the_page_of_their_source(admin, shelf, upload_page):
    assert upload_page in admin.get(change_page(shelf)).content.decode()
    assert ".md" in admin.get(upload_page).content.decode()

    files = [given("one.md", LAMP_PAGE), given("two.md", "# Two\n\nText.\n")]
    answer = admin.post(upload_page, {"file": files})

    run = IngestionRun.objects.first()
    assert answer.headers["Location"] == change_page(run)
    assert (run.source, run.only, run.trigger) == (shelf, ["one.md", "two.md"], "admin")
    work_through_the_queue()
    assert set(shelf.documents.values_list("key", flat=True)) == {"one.md", "two.md"}
    assert {upload.uploaded_by for upload in shelf.uploads.all()} == {"eve"}


@pytest.mark.parametrize("files", [[], ["evil.exe"], ["a.md", "x/a.md"]])
def test_a_refused_upload_says_why_and_stores_nothing(admin, shelf, upload_page, files):
    answer = admin.post(upload_page, {"file": [given(name) for name in files]})
    assert answer.status_code == 400
    assert 'role="alert"' in answer.content.decode()
    assert not Upload.objects.exists()


def test_the_page_says_how_much_may_be_uploaded_together(admin, upload_page, settings):
    settings.UPLOAD_MAX_TOTAL_BYTES = 5 * 1024
    assert "5.0\xa0KB together" in admin.get(upload_page).content.decode()
    answer = admin.post(
        upload_page, {"file": [given("a.md", "a" * 5000), given("b.md", "b" * 500)]}
    )
    assert answer.status_code == 400
    assert "more than 5,120 bytes" in answer.content.decode()
    assert not Upload.objects.exists()


def test_uploading_needs_the_permission_to_change_a_source_of_uploads(
    staff, shelf, upload_page, corpus
):
    client = staff("documents.view_source")
    again = reverse("admin:documents_source_ingest", args=[shelf.pk])
    assert upload_page not in client.get(change_page(shelf)).content.decode()
    answers = [client.get(upload_page), client.post(upload_page), client.post(again)]
    assert {answer.status_code for answer in answers} == {403}
    assert IngestionRun.objects.count() == 1


def test_files_go_to_sources_of_uploads_only(admin, lamp):
    page = reverse("admin:documents_source_upload", args=[lamp.source_id])
    assert admin.get(page).status_code == 404


def test_a_form_from_elsewhere_uploads_nothing(shelf, upload_page, admin):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(username="eve"))
    assert strict.post(upload_page, {"file": [given("a.md")]}).status_code == 403
    assert not Upload.objects.exists()


def test_a_deleted_upload_takes_its_document_and_its_file_along(admin, shelf, upload_page):
    admin.post(upload_page, {"file": [given("one.md")]})
    work_through_the_queue()
    upload = Upload.objects.get()
    page = admin.post(
        address("documents.upload", "delete", upload.pk), {"post": "yes"}, follow=True
    )
    assert "1 document deleted; nothing is left" in page.content.decode()
    assert not shelf.documents.exists()


def test_a_source_of_uploads_needs_no_location_and_a_folder_does(admin, corpus):
    data = {"corpus": corpus.pk, "slug": "given", "kind": "upload", "options": "{}",
            "trust_tier": "official"}  # fmt: skip
    assert admin.post(address("documents.source", "add"), data).status_code == 302
    assert Source.objects.get(slug="given").location == "given"
    folder = data | {"slug": "folder", "kind": "folder"}
    answer = admin.post(address("documents.source", "add"), folder)
    assert "Give a folder, or an address." in answer.content.decode()


# Permissions


ACTIONS = ["publish", "withdraw", "mark_official", "mark_peer_reviewed", "mark_retracted",
           "accept_suggestion", "ingest_again"]  # fmt: skip


@pytest.mark.parametrize("action", ACTIONS)
def test_who_may_only_view_has_no_actions(staff, lamp, action):
    client = staff("documents.view_document")
    page = client.get(address("documents.document", "changelist")).content.decode()
    assert f'<option value="{action}">' not in page
    before = IndexChange.objects.count()
    act(client, action, lamp)
    assert IndexChange.objects.count() == before
    assert IngestionRun.objects.count() == 1


@pytest.mark.parametrize("model", ["documents.document", "documents.chunk", "documents.source"])
def test_who_may_only_view_cannot_save(staff, one_of_each, model):
    client = staff(f"documents.view_{model.split('.')[1]}")
    assert client.post(change_page(one_of_each[model]), {"status": "withdrawn"}).status_code == 403
    assert Document.objects.published().count() == 4


def test_chunks_of_a_document_need_a_permission_of_their_own(staff, lamp):
    page = staff("documents.view_document", "documents.change_document").get(change_page(lamp))
    assert page.context["inline_admin_formsets"] == []


# Texts stay texts


@pytest.fixture
def hostile(corpus, site):
    from django.core.management import call_command

    (site / "hostile.md").write_text(
        f"---\ntitle: '{SCRIPT}'\n---\n\n## {SCRIPT}\n\nCode: `{SCRIPT}` "
        "[link](javascript:alert(2)) <img src=x onerror=alert(3)>\n"
    )
    call_command("ingest", "site", json=True)
    return Document.objects.get(key="hostile.md")


def executable(response):
    """What would run in a browser, less the admin's own scripts (all of them from files)."""
    page = response.content.decode()
    return re.findall(r"<script>|<img src=x|href=\"javascript:alert", page)


def test_a_hostile_document_is_shown_as_text(admin, hostile):
    chunk = hostile.chunks.get()
    for url in (
        address("documents.document", "changelist"),
        change_page(hostile),
        address("documents.chunk", "changelist"),
        change_page(chunk),
        address("documents.document", "delete", hostile.pk),
    ):
        response = admin.get(url)
        assert response.status_code == 200
        assert executable(response) == [], url
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in admin.get(change_page(chunk)).content.decode()


def test_a_hostile_conversation_is_shown_as_text(admin, one_of_each):
    conversation, answer = one_of_each["chat.conversation"], one_of_each["chat.message"]
    Conversation.objects.update(title=SCRIPT)
    Message.objects.update(text=SCRIPT)
    for row in (conversation, answer):
        for url in (change_page(row), address(row._meta.label_lower, "changelist")):
            response = admin.get(url)
            assert executable(response) == [], url
            assert "&lt;script&gt;alert(1)" in response.content.decode()


# Keys and corpora


def test_a_key_is_shown_once_and_opens_its_corpora(admin, corpus, client):
    data = {
        "name": "backend",
        "kind": "secret",
        "scopes": ["chat", "search"],
        "corpora": [corpus.pk],
    }
    answer = admin.post(address("chat.apikey", "add"), data, follow=True)
    secret = re.search(r"[A-Za-z0-9]{8}\.[A-Za-z0-9]{32}", answer.content.decode())[0]
    key = ApiKey.objects.get()
    assert secret not in admin.get(change_page(key)).content.decode()
    assert secret not in str(ApiKey.objects.values())
    client.logout()
    headers = {"Authorization": f"Api-Key {secret}"}
    Corpus.objects.update(is_public=False)
    assert client.get("/api/v1/documents/", headers=headers).json()["results"]


def test_the_librarys_own_keys_which_know_no_corpora_are_not_offered(admin):
    assert "rest_framework_api_key" not in admin.get(reverse("admin:index")).content.decode()


def test_a_corpus_and_a_source_can_be_made_by_hand(admin, tmp_path):
    data = {"slug": "new", "name": "New", "language": "en"}
    assert admin.post(address("documents.corpus", "add"), data).status_code == 302
    data = {"corpus": Corpus.objects.get().pk, "slug": "folder", "kind": "folder",
            "location": str(tmp_path), "options": "{}", "trust_tier": "official"}  # fmt: skip
    assert admin.post(address("documents.source", "add"), data).status_code == 302
    assert Source.objects.get().trust_tier == "official"


def test_a_source_stays_in_its_corpus_under_its_name(admin, corpus):
    source, other = Source.objects.get(), Corpus.objects.create(slug="other", name="Other")
    data = {"corpus": other.pk, "slug": "renamed", "kind": "folder", "location": source.location,
            "options": "{}", "trust_tier": "official"}  # fmt: skip
    assert admin.post(address("documents.source", "change", source.pk), data).status_code == 302
    changed = Source.objects.get()
    assert (changed.corpus, changed.slug) == (corpus, source.slug)
    assert changed.trust_tier == "official"


def test_a_corpus_keeps_its_name_in_addresses(admin, corpus):
    data = {"slug": "renamed", "name": "Renamed", "language": "en"}

    admin.post(address("documents.corpus", "change", corpus.pk), data)

    corpus.refresh_from_db()
    assert (corpus.slug, corpus.name) == ("lighthouse", "Renamed")


def test_a_list_of_documents_takes_a_fixed_number_of_queries(
    admin, corpus, django_assert_max_num_queries
):
    Chunk.objects.update(enabled=True)
    with django_assert_max_num_queries(14):
        admin.get(address("documents.document", "changelist"))
