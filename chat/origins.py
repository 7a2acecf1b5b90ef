"""Origins: where a page comes from, scheme://host[:port], as browsers write it."""

import re

USUAL = {"http": "80", "https": "443"}
ORIGIN = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*|\[[0-9a-f:.]{2,45}\])"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?"
)


def origin_of(text: str) -> str | None:
    """One origin, as a browser would write it; None if it is none. Nothing may stand beside it: no
    user, no path, no wildcard."""
    found = ORIGIN.fullmatch(text.strip().lower())
    if found is None or len(text) > 300:
        return None
    scheme, host, port = found["scheme"], found["host"], found["port"]
    if port is None or port == USUAL[scheme]:
        return f"{scheme}://{host}"
    return f"{scheme}://{host}:{port}" if int(port) < 65536 else None
