"""Powers: what a credential may be used for. Every view says which it needs.

The names are those of the API, where they are called scopes. Which corpora a credential reaches is
another question (documents/scope.py): what lies outside of them looks like what does not exist.
"""

from collections.abc import Collection, Mapping

from django.db import models
from django.utils.translation import gettext_lazy as _


class Power(models.TextChoices):
    CHAT = "chat", _("chat: ask, and keep conversations")
    SEARCH = "search", _("search: retrieve passages and read documents")
    INGEST = "ingest", _("ingest: upload and delete documents, have sources read again")
    ADMIN_READ = "admin-read", _("admin-read: see sources and ingestion runs")
    MINT = "mint", _("mint: make visitor tokens")  # all that a publishable key may; never given


READING = frozenset({Power.CHAT, Power.SEARCH})
GIVEN = frozenset(Power) - {Power.MINT}
# What of Django's permissions lets an account do what a key does with the power.
PERMISSIONS: Mapping[Power, Collection[str]] = {
    Power.INGEST: (
        "documents.change_source", "documents.delete_document", "ingestion.change_ingestionrun",
    ),
    Power.ADMIN_READ: ("documents.view_source", "ingestion.view_ingestionrun"),
}  # fmt: skip
