"""The application's own settings, with nothing taken from the developer's environment or .env."""

import os
import tempfile
from pathlib import Path

UNSET = (
    "DATABASE_URL DATABASE_DIRECT_URL REDIS_URL COHERE_API_KEY QDRANT_URL QDRANT_API_KEY "
    "OPENROUTER_API_KEY OPENAI_BASE_URL OPENAI_API_KEY EMBEDDER RERANKER HTTPS DEBUG "
    "COHERE_CALLS_A_MONTH COHERE_RERANKS_A_MINUTE COHERE_INPUTS_A_MINUTE "
    "OPENROUTER_FREE_CALLS_A_DAY OPENROUTER_CALLS_A_MINUTE "
    "OPENROUTER_DOLLARS_A_DAY OPENROUTER_DOLLARS_A_MONTH "
    "QDRANT_MEMORY_BYTES QDRANT_DISK_BYTES DATABASE_BYTES "
    "RATE_PLANS BETTER_AUTH_URL BETTER_AUTH_ISSUER BETTER_AUTH_AUDIENCE BETTER_AUTH_JWKS_URL "
    "BETTER_AUTH_ALGORITHMS CORS_ALLOWED_ORIGINS"
).split()
for name in UNSET:
    os.environ[name] = ""
os.environ["EMBEDDER"] = os.environ["RERANKER"] = "auto"
os.environ["WORKER"] = os.environ.get("TEST_WORKER", "none")
# A test that asks twice wants two answers; those of the cache switch it on.
os.environ["ANSWER_CACHE_SECONDS"] = "0"
os.environ["HTTPS"] = os.environ["DEBUG"] = os.environ["FREE_TIER"] = "0"
os.environ["BUDGETS"] = "hard"
os.environ["PURGE_HOURS"] = "0"  # it would meet the locks of a test's transaction
os.environ["SECRET_KEY"] = "only-for-tests-" + "x" * 50
os.environ["DATABASE_URL"] = os.environ.get("TEST_DATABASE_URL", "")
worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
if redis_url := os.environ.get("TEST_REDIS_URL", ""):
    # Each worker has a database of its own: tests empty theirs.
    redis_url = f"{redis_url.rsplit('/', 1)[0]}/{1 + int(worker.removeprefix('gw'))}"
os.environ["REDIS_URL"] = redis_url

from ragsite.settings import *  # noqa: E402, F403
from ragsite.settings import DATABASES, STORAGES  # noqa: E402

ALLOWED_HOSTS = ["*"]
DRAIN_SECONDS = 0.2  # what a test left behind is interrupted
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
if str(DATABASES["default"]["ENGINE"]).endswith("sqlite3"):
    # A file, not memory: threads and processes must meet the same locks as in production.
    DATABASES["default"]["TEST"] = {
        "NAME": Path(tempfile.gettempdir()) / f"ragsite-test-{os.getpid()}-{worker}.sqlite3"
    }
# Not among the files of the installation that the tests run in.
UPLOADS = Path(tempfile.gettempdir()) / f"ragsite-uploads-{os.getpid()}-{worker}"
STORAGES["uploads"]["OPTIONS"]["location"] = UPLOADS
AUTH_REVISION = Path(tempfile.gettempdir()) / f"ragsite-revision-{os.getpid()}-{worker}"
