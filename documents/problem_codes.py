"""Every `code` that an error of the API may have, and what it means. One never changes its meaning.

docs/api.md lists the same; tests/ragsite/test_problem_codes.py compares them, and looks in the
source for codes that are not here. Those of websocket frames alone are told in docs/api.md.
"""

CODES = {
    # What was asked
    "invalid": "a field or parameter is missing, unknown or wrong; `errors` says which",
    "parse_error": "the body cannot be read",
    "too_slow": "the body took too long to arrive",
    "too_large": "the body, or a file in it, is too large",
    "too_many_files": "too many files at once",
    "too_many_fields": "too many fields in a form",
    "unsupported_media_type": "the body is of a type that is not read here",
    "not_acceptable": "nothing that the client accepts can be answered here",
    "method_not_allowed": "the address has no such method; `Allow` lists those it has",
    "selection_not_found": "the selected text is not in the content",
    # Who asks
    "authentication_failed": "a credential was shown and is not good",
    "permission_denied": "the credential does not allow it",
    "scope_missing": "the credential lacks the scope that this needs",
    "origin_not_allowed": "the key is not for pages of this origin",
    "rate_limited": "too many of these in a minute",
    # What it is about
    "not_found": "there is no such thing, or it is not yours to see",
    "unknown_corpus": "there is no such corpus, or it is not yours to read",
    "corpus_needed": "there are several; say which one",
    "conversation_not_found": "there is no such conversation, or it is not yours",
    "file_missing": "the uploaded file is lost",
    "finished": "it is over already",
    "nothing_to_retry": "nothing in the run failed",
    "still_answering": "an answer is still being written",
    "not_the_last": "only the last question can be answered anew; branch off at an earlier one",
    "precondition_failed": "it is not as `If-Match` says any more; read it again",
    "idempotency_in_progress": "the first request with this key is still at work",
    "idempotency_key_reused": "the key was sent with another request before",
    "not_begun": "this question was never asked, or it was deleted",
    # What we could not do
    "overloaded": "too many questions are being answered",
    "not_configured": "the server is not set up to answer questions",
    "sign_in_unavailable": "the server that signs people in does not answer",
    "search_unavailable": "the index cannot be searched at the moment",
    "database_unavailable": "the database is busy or away",
    "not_stored": "the disk refused the files",
    "not_stopped": "the answer has not ended yet",
    "cancelled": "the question was stopped before it was asked",
    "failed": "the question could not be answered; the reason is not known any more",
    "internal": "a mistake of ours",
    # What the model could not do
    "model_unavailable": "no model can be reached",
    "model_rate_limited": "the models' limits are used up",
    "model_rejected": "the provider takes no such request",
    "model_incomplete": "the answer ended in the middle",
    "model_overlong": "the prompt or the answer was too long",
    "model_timeout": "the model took too long",
    "model_refused": "the model refused to go on",
}
