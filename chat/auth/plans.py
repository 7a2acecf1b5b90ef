"""Rate plans: how much a caller may ask at a time. The settings say which there are."""

from dataclasses import dataclass

from django.conf import settings


@dataclass(frozen=True)
class Plan:
    name: str
    questions_a_minute: int
    turns_at_once: int


STANDARD = "standard"


def plan_named(name: str, *, of_key: bool = True) -> Plan:
    """A plan that the settings know no longer is the standard one."""
    if name in settings.RATE_PLANS:
        return Plan(name, *settings.RATE_PLANS[name])
    at_once = settings.TURNS_AT_ONCE_OF_A_KEY if of_key else settings.TURNS_AT_ONCE_EACH
    return Plan(STANDARD, settings.QUESTIONS_PER_MINUTE, at_once)


def anonymous_plan() -> Plan:
    return Plan("anonymous", settings.ANONYMOUS_QUESTIONS_PER_MINUTE, settings.TURNS_AT_ONCE_EACH)


def plan_names() -> list[str]:
    return [STANDARD, *sorted(settings.RATE_PLANS)]
