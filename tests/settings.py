"""The application's own settings, with nothing taken from the developer's environment or .env."""

import os
import tempfile
from pathlib import Path

KEPT = {"TEST_DATABASE_URL", "TEST_REDIS_URL"}
UNSET = (
    "DATABASE_URL REDIS_URL COHERE_API_KEY QDRANT_URL QDRANT_API_KEY OPENROUTER_API_KEY "
    "OPENAI_BASE_URL OPENAI_API_KEY EMBEDDER RERANKER HTTPS DEBUG"
).split()
for name in UNSET:
    os.environ[name] = ""
os.environ["EMBEDDER"] = os.environ["RERANKER"] = "auto"
os.environ["HTTPS"] = os.environ["DEBUG"] = "0"
os.environ["SECRET_KEY"] = "only-for-tests-" + "x" * 50
os.environ["DATABASE_URL"] = os.environ.get("TEST_DATABASE_URL", "")
os.environ["REDIS_URL"] = os.environ.get("TEST_REDIS_URL", "")

from ragsite.settings import *  # noqa: E402, F403
from ragsite.settings import DATABASES  # noqa: E402

ALLOWED_HOSTS = ["*"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # A file, not memory: threads and processes must meet the same locks as in production.
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    DATABASES["default"]["TEST"] = {
        "NAME": Path(tempfile.gettempdir()) / f"ragsite-test-{os.getpid()}-{worker}.sqlite3"
    }

