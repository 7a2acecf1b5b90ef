"""The one door to the network for addresses that people give us.

Every request, and every hop of a redirect, is checked, resolved once, and connected to the very
address that was checked (ssrfguard does that). What may be reached is in addresses.py, how much a
server may send and for how long in transport.py and fetcher.py.
"""

from ingestion.fetching.addresses import Allowed, normalised, origin_of
from ingestion.fetching.fetcher import Answer, Fetcher, FetchError, Response, gunzip

__all__ = [
    "Allowed",
    "Answer",
    "FetchError",
    "Fetcher",
    "Response",
    "gunzip",
    "normalised",
    "origin_of",
]
