"""What the database keeps of credentials: hashes of API keys, and accounts at another server."""

from typing import Any, ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework_api_key.models import AbstractAPIKey, BaseAPIKeyManager

from chat.origins import origin_of
from documents.models import Corpus
from documents.powers import GIVEN, READING, Power


def default_scopes() -> list[str]:
    return sorted(READING)


def known_scopes(scopes: Any) -> None:
    if not isinstance(scopes, list) or not set(map(str, scopes)) <= GIVEN:
        raise ValidationError(
            _("Scopes are %(names)s."), params={"names": ", ".join(sorted(GIVEN))}
        )


def exact_origins(text: str) -> None:
    for line in text.splitlines():
        if line.strip() and origin_of(line) is None:
            raise ValidationError(
                _("“%(line)s” is no origin: scheme://host, and :port unless it is the usual one."),
                params={"line": line.strip()[:100]},
            )


class ApiKeyManager(BaseAPIKeyManager):
    def get_usable_keys(self) -> Any:
        """Neither revoked, which is for ever, nor suspended, nor past their day."""
        unexpired = Q(expiry_date=None) | Q(expiry_date__gt=timezone.now())
        return self.filter(unexpired, revoked=False, suspended=False)


class ApiKey(AbstractAPIKey):
    """A backend's key, or a page's: it reaches the corpora listed here and may do what its scopes
    say. A publishable key may do nothing but make visitor tokens, which may do that."""

    class Kind(models.TextChoices):
        SECRET = "secret", _("secret: for servers")
        PUBLISHABLE = "publishable", _("publishable: for widgets, makes visitor tokens")

    kind = models.CharField(max_length=20, choices=Kind, default=Kind.SECRET)
    corpora = models.ManyToManyField(Corpus, related_name="api_keys")
    scopes = models.JSONField(
        default=default_scopes, validators=[known_scopes], blank=True,
        help_text=_("What it may do, of a publishable key: what its visitors may."),
    )  # fmt: skip
    origins = models.TextField(
        blank=True, validators=[exact_origins],
        help_text=_("Pages that may use it from a browser, one a line: https://docs.example.org"),
    )  # fmt: skip
    plan = models.CharField(
        _("rate plan"), max_length=50, blank=True,
        help_text=_("Questions a minute and at once; those of the settings."),
    )  # fmt: skip
    questions_a_day = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)],
        help_text=_("In any 24 hours, all visitors of the key together; empty: no limit."),
    )  # fmt: skip
    suspended = models.BooleanField(
        default=False, help_text=_("Refused until this is taken back; revoking is for ever.")
    )
    last_used_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text=_("To within a few minutes.")
    )

    objects: ClassVar[Any] = ApiKeyManager()

    class Meta(AbstractAPIKey.Meta):
        verbose_name = "API key"
        verbose_name_plural = "API keys"
        constraints = [
            models.CheckConstraint(
                condition=~Q(kind="publishable") | ~Q(origins=""),
                name="publishable_keys_have_origins",
                violation_error_message=_("A publishable key names the pages it is for."),
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["secret", "publishable"]), name="key_kind_known"
            ),
        ]

    def clean(self) -> None:
        super().clean()
        if self.is_publishable and not set(self.scopes) <= READING:
            raise ValidationError(
                {"scopes": _("Visitors may chat and search; nothing else can be published.")}
            )
        if self.plan and self.plan not in settings.RATE_PLANS:
            raise ValidationError({"plan": _("The settings have no such rate plan.")})

    @property
    def is_publishable(self) -> bool:
        return self.kind == self.Kind.PUBLISHABLE

    @property
    def granted(self) -> frozenset[Power]:
        """Whatever was written into the row, no key has a power that none can be given."""
        return frozenset(power for power in GIVEN if power in self.scopes)

    @property
    def powers(self) -> frozenset[Power]:
        """What the key itself may do."""
        return frozenset({Power.MINT}) if self.is_publishable else self.granted

    @property
    def powers_of_visitors(self) -> frozenset[Power]:
        return self.granted & READING if self.is_publishable else frozenset()

    @property
    def allowed_origins(self) -> frozenset[str]:
        return frozenset(filter(None, map(origin_of, self.origins.splitlines())))


class Account(models.Model):
    """Somebody whom another server signs in, as a user here. Found by that server's own id alone:
    whoever can choose an address for mail there must not become who has it here."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="account"
    )
    issuer = models.CharField(max_length=300)
    subject = models.CharField(max_length=255)
    email = models.CharField(
        max_length=254, blank=True, help_text=_("As its server says; only to be shown.")
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(fields=["issuer", "subject"], name="account_once_per_issuer")
        ]

    def __str__(self) -> str:
        return self.email or self.subject
