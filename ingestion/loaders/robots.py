"""robots.txt: what a site asks of us, and how fast."""

from dataclasses import dataclass, field

from protego import Protego

from ingestion.fetching import Fetcher, FetchError

BYTE_LIMIT = 500_000  # what RFC 9309 asks to be read at least
LONGEST_DELAY = 30.0  # seconds; more would keep a run alive for days


@dataclass(frozen=True)
class Robots:
    rules: Protego = field(default_factory=lambda: Protego.parse(""))
    user_agent: str = ""

    def allows(self, url: str) -> bool:
        return self.rules.can_fetch(url, self.user_agent)

    @property
    def delay(self) -> float:
        return min(self.rules.crawl_delay(self.user_agent) or 0.0, LONGEST_DELAY)

    @property
    def sitemaps(self) -> list[str]:
        return list(self.rules.sitemaps)


def read_robots(fetcher: Fetcher, origin: str) -> Robots:
    """Where there is none, nothing is forbidden. Raises FetchError when that is not known.

    RFC 9309: as long as it is unreachable (5xx, no answer), everything counts as forbidden.
    """
    try:
        response = fetcher.fetch(f"{origin}/robots.txt", byte_limit=BYTE_LIMIT)
    except FetchError as error:
        if error.retryable:
            raise
        return Robots()
    rules = Protego.parse(response.content.decode("utf-8", "replace"))
    return Robots(rules, fetcher.user_agent)
