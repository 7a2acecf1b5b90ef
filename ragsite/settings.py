"""Every knob, read from the environment once. `.env.example` lists them with safe values.

With nothing set the application runs embedded: SQLite, Qdrant's engine in the process, the bundled
embedding model, extractive answers. A key or URL that is set selects the production part.
"""

import json
import logging
import os
import sys
from contextlib import suppress
from datetime import timedelta
from math import isfinite
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.parse import unquote

import certifi
import environ
from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
environ.Env.read_env(BASE_DIR / ".env")

VAR_DIR = Path(env("VAR_DIR", default="") or BASE_DIR / "var")
VAR_DIR.mkdir(parents=True, exist_ok=True)
MODEL_DIR = VAR_DIR / "models"  # the bundled model, built here once
AUTH_REVISION = VAR_DIR / "auth-revision"  # without Redis: changes with what may end a sign-in


# --- Django ---------------------------------------------------------------------------------------

DEBUG = env.bool("DEBUG", default=False)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])


def local_secret_key() -> str:
    """A key of this installation's own, made once, for whoever has not set SECRET_KEY."""
    path = VAR_DIR / "secret_key"
    # Made once, however many processes start together; without links, which not every disk has.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with suppress(FileExistsError), open(os.open(path, flags, 0o600), "w") as file:
        file.write(get_random_secret_key())
    deadline = monotonic() + 5
    while not (key := path.read_text(encoding="ascii")):  # another process is just writing it
        if monotonic() > deadline:
            raise ImproperlyConfigured(f"{path} is empty: delete it, or set SECRET_KEY.")
        sleep(0.01)
    return key


SECRET_KEY = env("SECRET_KEY", default="") or local_secret_key()

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "corsheaders",
    "rest_framework",
    "rest_framework_api_key",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "axes",
    "documents",
    "ingestion",
    "chat",
]

MIDDLEWARE = [
    "documents.request_id.noted",
    "django.middleware.security.SecurityMiddleware",
    "chat.auth.origins.Cors",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "documents.problems.DatabaseAway",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "ragsite.urls"
ASGI_APPLICATION = "ragsite.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STATIC_ROOT.mkdir(exist_ok=True)
# The chat page speaks through the client that others install: docs/decisions/0037.
STATICFILES_DIRS = [("ragsite", BASE_DIR / "clients" / "javascript" / "src")]
# Serve straight from the apps: `make demo` needs no collectstatic.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG


# --- Database -------------------------------------------------------------------------------------


def database(url: str) -> dict[str, object]:
    """SQLite tuned for several processes, or PostgreSQL as a transaction pooler wants it."""
    config: dict[str, object] = environ.Env.db_url_config(url)
    engine = config.get("ENGINE")  # nothing at all if it is no URL
    options = dict(config.get("OPTIONS") or {})  # type: ignore[call-overload]
    if engine == "django.db.backends.sqlite3":
        # WAL: readers do not wait for a writer. IMMEDIATE: a transaction that will write takes
        # its turn at the start, instead of failing with "database is locked" half-way.
        options |= {
            "transaction_mode": "IMMEDIATE",
            "timeout": env.int("SQLITE_TIMEOUT", default=20),
            "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;",
        }
        return {**config, "OPTIONS": options, "CONN_MAX_AGE": None}
    if engine != "django.db.backends.postgresql":
        raise ImproperlyConfigured(
            "DATABASE_URL and DATABASE_DIRECT_URL must begin with sqlite:/// or postgresql://; "
            "other databases are not supported."
        )
    options = tls(options, str(options.get("host") or config["HOST"])) | {
        "connect_timeout": 10,
        # A server that is gone without a word is noticed within a minute.
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        # min_size 0: connecting wakes a sleeping Neon, so nothing connects before it is needed, and
        # nothing goes on trying when nobody waits any more. What lies idle is closed before Neon,
        # which sleeps after 300 seconds, does it. How long a caller waits: documents/postgresql.
        "pool": {
            "min_size": 0,
            "max_size": env.int("DATABASE_POOL_SIZE", default=10),
            "timeout": 1,
            "max_idle": 240,
            "reconnect_timeout": 5,
        },
    }
    return {
        **config,
        "ENGINE": "documents.postgresql",
        "OPTIONS": options,
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,
        # They need a session, or a transaction that stays open as long as somebody reads.
        "DISABLE_SERVER_SIDE_CURSORS": True,
    }


def tls(options: dict[str, Any], host: str) -> dict[str, Any]:
    """The options of a URL, and TLS for a server elsewhere unless they say otherwise."""
    options = dict(options)
    if options.get("sslrootcert") == "system" or (
        options.get("sslmode") == "verify-full" and not options.get("sslrootcert")
    ):
        # The libpq in psycopg's wheels knows no system: it looks where it was built.
        options |= {"sslmode": "verify-full", "sslrootcert": certifi.where()}
    if not is_here(host):
        certain = "verify-full" if options.get("sslrootcert") else "require"
        options.setdefault("sslmode", certain)
    return options


def is_here(host: str) -> bool:
    """Reached by loopback or a socket file."""
    return host in ("", "localhost", "127.0.0.1", "::1") or unquote(host).startswith("/")


# What needs a session of its own, or takes longer than a pooler likes (docs/decisions/0022).
DIRECT_COMMANDS = frozenset(
    """createcachetable dbshell dumpdata flush inspectdb loaddata makemigrations migrate
    optimizemigration showmigrations sqlflush sqlmigrate sqlsequencereset""".split()
)
DATABASE_URL = env("DATABASE_URL", default="") or f"sqlite:///{VAR_DIR / 'db.sqlite3'}"
DATABASE_DIRECT_URL = env("DATABASE_DIRECT_URL", default="")
DATABASES = {"default": database(DATABASE_URL)}
if DATABASE_DIRECT_URL and DIRECT_COMMANDS.intersection(sys.argv[1:2]):
    DATABASES = {"default": database(DATABASE_DIRECT_URL)}
    sys.stderr.write(f"{sys.argv[1]} uses DATABASE_DIRECT_URL.\n")


# --- Cache and limits: Redis when there is one ----------------------------------------------------

REDIS_URL = env("REDIS_URL", default="")
CACHES = {
    "default": (
        {
            "BACKEND": "documents.caching.SharedCache",
            "LOCATION": REDIS_URL,
            # Without a limit, whoever asks a Redis that hangs would hang too. As JSON: Django would
            # unpickle, and so run, whatever somebody wrote into Redis.
            "OPTIONS": {"socket_connect_timeout": 1, "socket_timeout": 1, "serializer": json},
        }
        if REDIS_URL
        else {
            "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
            "OPTIONS": {"MAX_ENTRIES": 3000},
        }
    )
}


def channel_layer(url: str) -> dict[str, Any]:
    """For signals between processes. What a reader is answered never passes through it."""
    if not url:
        return {"BACKEND": "channels.layers.InMemoryChannelLayer"}
    from redis.asyncio.retry import Retry
    from redis.backoff import ExponentialBackoff
    from redis.exceptions import ConnectionError, TimeoutError

    host = {
        "address": url,
        # Said, because redis-py's defaults change: from version 8 on, a socket that hears nothing
        # for 5 seconds is dropped, and a pool has 100 connections. And channels_redis, which makes
        # the pool itself, would not try anything twice.
        "socket_timeout": 15,
        "socket_connect_timeout": 3,
        "socket_keepalive": True,
        "health_check_interval": 30,
        "max_connections": 200,
        "retry": Retry(ExponentialBackoff(cap=1, base=0.1), 6),
        "retry_on_error": [ConnectionError, TimeoutError],
    }
    # The pub/sub layer: idle, it sends Redis next to nothing, and it survives a restart of Redis.
    return {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [host], "prefix": "ragsite"},
    }


CHANNEL_LAYERS = {"default": channel_layer(REDIS_URL)}
# Questions a minute: per signed-in user or key, and per address for anonymous visitors.
QUESTIONS_PER_MINUTE = env.int("QUESTIONS_PER_MINUTE", default=30)
ANONYMOUS_QUESTIONS_PER_MINUTE = env.int("ANONYMOUS_QUESTIONS_PER_MINUTE", default=10)
QUESTION_MAX_CHARS = env.int("QUESTION_MAX_CHARS", default=4000)


def rate_plans(entries: list[str]) -> dict[str, tuple[int, int]]:
    """What an API key may be given instead: "name:questions a minute:questions at once"."""
    plans = {}
    for entry in entries:
        name, *numbers = (part.strip() for part in entry.split(":"))
        if (
            name in ("", "standard", "anonymous")
            or len(numbers) != 2
            or not all(n.isdecimal() and int(n) for n in numbers)
        ):
            raise ImproperlyConfigured(f"RATE_PLANS: {entry!r} is not like backend:300:20.")
        plans[name] = (int(numbers[0]), int(numbers[1]))
    return plans


# How long a visitor token lasts that was made with a publishable key.
VISITOR_TOKEN_MINUTES = env.float("VISITOR_TOKEN_MINUTES", default=15)
RATE_PLANS = rate_plans(env.list("RATE_PLANS", default=[]))


# --- Answers as they are written ------------------------------------------------------------------

# Of one process: answered at once, and waiting for a place. What comes then is told to try again.
TURNS_AT_ONCE = env.int("TURNS_AT_ONCE", default=300)
TURNS_QUEUED = env.int("TURNS_QUEUED", default=200)
QUEUE_SECONDS = env.float("QUEUE_SECONDS", default=15)
# Of one user or visitor's address, and of one API key, behind which there are many readers.
TURNS_AT_ONCE_EACH = env.int("TURNS_AT_ONCE_EACH", default=4)
TURNS_AT_ONCE_OF_A_KEY = env.int("TURNS_AT_ONCE_OF_A_KEY", default=100)
# An answer that nobody has read for this long is stopped.
UNWATCHED_SECONDS = env.float("UNWATCHED_SECONDS", default=30)
# How long the events of an answer can be read again; the answer itself is in the database.
JOURNAL_SECONDS = env.int("JOURNAL_SECONDS", default=600)
# A reader whose connection takes nothing for this long is hung up on.
SLOW_READER_SECONDS = env.float("SLOW_READER_SECONDS", default=15)
# Seconds that answers have to end when the server is told to; what is not done then is interrupted.
DRAIN_SECONDS = env.float("DRAIN_SECONDS", default=20)
# Websockets of one process, and of one user or visitor's address.
SOCKETS = env.int("SOCKETS", default=5000)
SOCKETS_EACH = env.int("SOCKETS_EACH", default=50)


# --- Bodies of requests: measured before Django stores them (ragsite/bodies.py) -------------------

# The largest that the API takes is a list of keys to try again. Up to here bodies stay in memory.
REQUEST_MAX_BYTES = env.int("REQUEST_MAX_BYTES", default=1_000_000)
DATA_UPLOAD_MAX_MEMORY_SIZE = FILE_UPLOAD_MAX_MEMORY_SIZE = REQUEST_MAX_BYTES
# From the first byte to the last one; an upload has longer.
BODY_SECONDS = env.float("BODY_SECONDS", default=60)
UPLOAD_SECONDS = env.float("UPLOAD_SECONDS", default=1800)


# --- Other clients --------------------------------------------------------------------------------

# Assistants at /mcp, by the Model Context Protocol; its SDK is imported at their first call.
MCP = env.bool("MCP", default=True)


# --- Providers ------------------------------------------------------------------------------------

# The proxy through which providers are called, http(s)://user:password@host:port. No other counts:
# neither HTTPS_PROXY nor .netrc. What runs on this machine is called directly all the same.
PROVIDER_PROXY = env("PROVIDER_PROXY", default="")


# --- Budgets: what providers may be asked for -----------------------------------------------------

# The free tiers of 2026: a Cohere trial key, OpenRouter without credits, a free Qdrant cluster,
# Neon's free plan. Each variable that is set by itself wins.
FREE_TIER = env.bool("FREE_TIER", default=False)


def allowance(told: str, *, free_tier: float, otherwise: float = 0) -> Any:
    """As it was told, else by the tier; 0: no limit."""
    try:
        allowed = float(told) if told else free_tier if FREE_TIER else otherwise
    except ValueError as error:
        raise ImproperlyConfigured(f"{told!r} is no number of a budget.") from error
    if allowed < 0 or not isfinite(allowed):
        raise ImproperlyConfigured(f"{told!r}: a budget is 0 (no limit) or more.")
    return int(allowed) if allowed == int(allowed) else allowed


# hard: a call beyond a month's or a day's budget is not made. soft: it is made, and the log and the
# admin say so.
BUDGETS = env("BUDGETS", default="hard")
COHERE_CALLS_A_MONTH = allowance(env("COHERE_CALLS_A_MONTH", default=""), free_tier=1000)
# By default those of production keys.
COHERE_RERANKS_A_MINUTE = allowance(
    env("COHERE_RERANKS_A_MINUTE", default=""), free_tier=10, otherwise=1000
)
COHERE_INPUTS_A_MINUTE = allowance(
    env("COHERE_INPUTS_A_MINUTE", default=""), free_tier=2000, otherwise=2000
)
# Calls to free models, which all accounts have limited.
OPENROUTER_FREE_CALLS_A_DAY = allowance(
    env("OPENROUTER_FREE_CALLS_A_DAY", default=""), free_tier=50
)
OPENROUTER_CALLS_A_MINUTE = allowance(
    env("OPENROUTER_CALLS_A_MINUTE", default=""), free_tier=20, otherwise=20
)
# US dollars, as OpenRouter's replies say.
OPENROUTER_DOLLARS_A_DAY = allowance(env("OPENROUTER_DOLLARS_A_DAY", default=""), free_tier=0)
OPENROUTER_DOLLARS_A_MONTH = allowance(env("OPENROUTER_DOLLARS_A_MONTH", default=""), free_tier=0)
# Only planned and checked with: `ingest --plan`, `manage.py doctor`.
QDRANT_MEMORY_BYTES = allowance(env("QDRANT_MEMORY_BYTES", default=""), free_tier=1_000_000_000)
QDRANT_DISK_BYTES = allowance(env("QDRANT_DISK_BYTES", default=""), free_tier=4_000_000_000)
DATABASE_BYTES = allowance(env("DATABASE_BYTES", default=""), free_tier=500_000_000)


# --- Embedding and index --------------------------------------------------------------------------

COHERE_API_KEY = env("COHERE_API_KEY", default="")
COHERE_BASE_URL = env("COHERE_BASE_URL", default="https://api.cohere.com")
COHERE_EMBED_MODEL = env("COHERE_EMBED_MODEL", default="embed-v4.0")
COHERE_EMBED_DIMENSION = env.int("COHERE_EMBED_DIMENSION", default=1024)
COHERE_RERANK_MODEL = env("COHERE_RERANK_MODEL", default="rerank-v3.5")
# auto: Cohere with a key, else the bundled model. Or one of: cohere, bundled, multilingual, none.
EMBEDDER = env("EMBEDDER", default="auto")

QDRANT_URL = env("QDRANT_URL", default="")
QDRANT_API_KEY = env("QDRANT_API_KEY", default="")
QDRANT_COLLECTION = env("QDRANT_COLLECTION", default="chunks")
QDRANT_TIMEOUT = env.int("QDRANT_TIMEOUT", default=5)
# A question's search has less time: somebody waits for it.
QDRANT_SEARCH_DEADLINE_MS = env.int("QDRANT_SEARCH_DEADLINE_MS", default=900)

# How the dense and the sparse ranking are merged (rrf, dbsf): measured by `manage.py evaluate`.
FUSION = env("FUSION", default="dbsf")
FETCH_K = env.int("FETCH_K", default=50)
TOP_K = env.int("TOP_K", default=6)


# --- Reranking and chat models --------------------------------------------------------------------

# auto: Cohere with a key, else none. Or one of: cohere, none.
RERANKER = env("RERANKER", default="auto")
RERANK_DEADLINE_MS = env.int("RERANK_DEADLINE_MS", default=300)

OPENROUTER_API_KEY = env("OPENROUTER_API_KEY", default="")
OPENROUTER_BASE_URL = env("OPENROUTER_BASE_URL", default="https://openrouter.ai/api/v1")
# Tried in this order. Up to three go to OpenRouter in one call, the rest in calls of their own;
# free models and others never share one.
OPENROUTER_MODELS = env.list("OPENROUTER_MODELS", default=["openrouter/auto"])
# "deny" keeps prompts from providers that train on them; most ":free" models need "allow".
OPENROUTER_DATA_COLLECTION = env("OPENROUTER_DATA_COLLECTION", default="deny")
# Any other OpenAI-compatible server (without an address: OpenAI's own); tried after OpenRouter.
OPENAI_BASE_URL = env("OPENAI_BASE_URL", default="")
OPENAI_API_KEY = env("OPENAI_API_KEY", default="")
OPENAI_MODEL = env("OPENAI_MODEL", default="")
# In this time a model may turn a follow-up into a query of its own; 0: rules alone do.
CONDENSE_DEADLINE_MS = env.int("CONDENSE_DEADLINE_MS", default=2000)
# Seconds for which an answer is kept, to be given again to the same question of the same content.
# 0: every question is answered anew.
ANSWER_CACHE_SECONDS = env.int("ANSWER_CACHE_SECONDS", default=3600)
# When no model can write, the best sentences are quoted; 0: the question ends in an error.
EXTRACTIVE_FALLBACK = env.bool("EXTRACTIVE_FALLBACK", default=True)
ANSWER_MAX_TOKENS = env.int("ANSWER_MAX_TOKENS", default=900)
MODEL_CONNECT_TIMEOUT = env.float("MODEL_CONNECT_TIMEOUT", default=5.0)
MODEL_FIRST_TOKEN_TIMEOUT = env.float("MODEL_FIRST_TOKEN_TIMEOUT", default=20.0)
MODEL_STALL_TIMEOUT = env.float("MODEL_STALL_TIMEOUT", default=20.0)
MODEL_TOTAL_TIMEOUT = env.float("MODEL_TOTAL_TIMEOUT", default=120.0)


# --- Grounding ------------------------------------------------------------------------------------

# The chance, 0 to 1, from which the passages are enough to answer from. 0: as it was calibrated for
# the embedding space (benchmarks/gate.py).
EVIDENCE_THRESHOLD = env.float("EVIDENCE_THRESHOLD", default=0.0)
# Words in a row that an answer may share with a passage outside a quotation.
COPY_LIMIT_WORDS = env.int("COPY_LIMIT_WORDS", default=12)
# An answer that copies more is put into other words by one more call of the model.
REWRITE_COPIES = env.bool("REWRITE_COPIES", default=True)
# A model's second opinion on every sentence, by one more call.
CLAIM_JUDGE = env.bool("CLAIM_JUDGE", default=False)


# --- Ingestion ------------------------------------------------------------------------------------

# A run that would remove more than this share of a source's documents stops and asks.
MASS_DELETE_SHARE = env.float("MASS_DELETE_SHARE", default=0.2)
CHUNK_CHARS = env.int("CHUNK_CHARS", default=1200)
# Seconds without a sign of life after which another process may take a source over.
INGEST_LEASE_SECONDS = env.float("INGEST_LEASE_SECONDS", default=60)
# Addresses beyond public ones that sources may be fetched from: "10.0.0.7:8080", "10.1.0.0/16:443".
FETCH_ALLOWED_ADDRESSES = env.list("FETCH_ALLOWED_ADDRESSES", default=[])
FETCH_USER_AGENT = env("FETCH_USER_AGENT", default="ragsite (documentation reader)")
# Uploaded files; the rows say what they are, and nothing serves them but our own view.
UPLOAD_MAX_BYTES = env.int("UPLOAD_MAX_BYTES", default=20_000_000)
UPLOAD_MAX_FILES = env.int("UPLOAD_MAX_FILES", default=100)
UPLOAD_MAX_TOTAL_BYTES = env.int("UPLOAD_MAX_TOTAL_BYTES", default=200_000_000)
DATA_UPLOAD_MAX_NUMBER_FILES = UPLOAD_MAX_FILES + 1  # one too many is told by our own words
STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "uploads": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {
            "location": VAR_DIR / "uploads",
            "file_permissions_mode": 0o600,
            "directory_permissions_mode": 0o700,
        },
    },
}
# A crash test's: the step at which this process is to be killed (documents/failpoints.py).
FAILPOINT = env("FAILPOINT", default="")


# --- Background work: the queue carries ids, the rows of ingestion/models.py are the truth --------

# auto: a thread of the web process, or with Redis whoever runs `manage.py run_huey`. Or: external
# (never in the web process), none (nothing is ever started in the background).
WORKER = env("WORKER", default="auto")
TASKS = {
    "default": {
        "BACKEND": "huey.contrib.djhuey.tasks_backend.HueyBackend",
        # ingestion.worker waits for the commit itself; huey would open a connection to find out.
        "ENQUEUE_ON_COMMIT": False,
    }
}
HUEY = {
    "name": "ragsite",
    "huey_class": "ingestion.queue.redis_queue" if REDIS_URL else "ingestion.queue.sqlite_queue",
    "immediate": False,
    "results": False,
    "consumer": {
        "workers": env.int("WORKER_THREADS", default=2),
        "worker_type": "thread",
        "periodic": False,
        "max_delay": 2.0,  # seconds between two looks into the SQLite queue
    },
}


# --- REST and OpenAPI -----------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["chat.auth.authentication.PrincipalAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["documents.permissions.HasDeclaredPower"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["documents.parsers.ShallowJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "documents.openapi.Described",
    "DEFAULT_PAGINATION_CLASS": "documents.pagination.NewestFirst",
    "PAGE_SIZE": 50,
    "EXCEPTION_HANDLER": "documents.problems.problem_response",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Citation-strict answers from your documentation",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1/",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "documents.openapi.complete",
    ],
    "COMPONENT_SPLIT_REQUEST": True,
    "COMPONENT_SPLIT_PATCH": False,
    "ENUM_NAME_OVERRIDES": {
        "TrustTier": "documents.models.TrustTier",
        "RunStatus": "ingestion.models.IngestionRun.Status",
        "ItemOutcome": "ingestion.models.IngestionItem.Outcome",
        "MessageStatus": "chat.models.Message.Status",
        "MessageOutcome": "chat.models.Message.Outcome",
        "MessageRole": "chat.models.Message.Role",
        "Verdict": "chat.models.Claim.Verdict",
    },
}


# --- Who may: Better Auth, and pages of other origins ---------------------------------------------

# The address of a Better Auth server whose JWTs are accepted, without /api/auth.
BETTER_AUTH_URL = env("BETTER_AUTH_URL", default="")
# What its tokens must name; empty: the origin of BETTER_AUTH_URL, as by Better Auth's own defaults.
BETTER_AUTH_ISSUER = env("BETTER_AUTH_ISSUER", default="")
BETTER_AUTH_AUDIENCE = env("BETTER_AUTH_AUDIENCE", default="")
# Where its public keys are; empty: /api/auth/jwks of BETTER_AUTH_URL.
BETTER_AUTH_JWKS_URL = env("BETTER_AUTH_JWKS_URL", default="")
# Of EdDSA, ES256, ES512, RS256, PS256.
BETTER_AUTH_ALGORITHMS = env.list("BETTER_AUTH_ALGORITHMS", default=["EdDSA"]) or ["EdDSA"]

# Origins of pages that use the API with tokens; those of API keys stand in the admin.
CORS_ALLOWED_ORIGINS = env.list("CORS_ALLOWED_ORIGINS", default=[])
# Whoever probes our health is no page, and must wake no database.
CORS_URLS_REGEX = r"^/(api/(?!v1/health/)|v1/|mcp(/|$))"
CORS_ALLOW_CREDENTIALS = False
CORS_ALLOW_HEADERS = [
    "accept", "authorization", "content-type", "idempotency-key", "if-match", "if-none-match",
    "last-event-id", "mcp-protocol-version", "mcp-session-id", "x-request-id", "x-visitor-token",
]  # fmt: skip
CORS_EXPOSE_HEADERS = [
    "ETag", "Idempotency-Replayed", "Location", "Mcp-Session-Id", "Retry-After", "X-Request-ID",
]  # fmt: skip
CORS_PREFLIGHT_MAX_AGE = 600


# --- Security -------------------------------------------------------------------------------------

# HTTPS=1 behind a TLS proxy that sets X-Forwarded-Proto; `check --deploy` is clean with it.
HTTPS = env.bool("HTTPS", default=False)
SECURE_REDIRECT_EXEMPT = [r"^api/v1/health/"]  # probes come past the proxy, in plain HTTP
SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# Proxies in front of us whose X-Forwarded-For is believed (0: the socket's own address counts).
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", default=0)
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    },
}

# Five wrong passwords for one account from one address: then nothing is tried for a quarter of an
# hour. Counted in the cache, which is shared where there is Redis (chat/auth/sign_in.py).
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AXES_HANDLER = "chat.auth.sign_in.GuessesInTheCache"
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_CLIENT_IP_CALLABLE = "chat.auth.sign_in.address_of"
AXES_LOCKOUT_CALLABLE = "chat.auth.sign_in.locked_out"
AXES_ENABLE_ADMIN = AXES_VERBOSE = False
# Conversations are kept for so many days, unless their corpus says otherwise. 0: nothing is stored.
CONVERSATION_RETENTION_DAYS = env.int("CONVERSATION_RETENTION_DAYS", default=365)
# A server that is in use removes what is past its time once in so many hours. 0: only the command
# `manage.py purge` does.
PURGE_HOURS = env.float("PURGE_HOURS", default=24)
# After so many days an entry of the audit log is dropped.
AUDIT_RETENTION_DAYS = env.int("AUDIT_RETENTION_DAYS", default=400)


# --- Logs: ids and sizes, not texts ---------------------------------------------------------------

DEFAULT_EXCEPTION_REPORTER_FILTER = "documents.redaction.SafeReporterFilter"
LOG_LEVEL = env("LOG_LEVEL", default="INFO")
# line: for people. json: one object a line, for whatever collects logs.
LOG_FORMAT = env("LOG_FORMAT", default="line")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "documents.redaction.SafeFormatter",
            "format": "{asctime} {levelname} {name} [{request_id}]: {message}",
            "style": "{",
        },
        "json": {"()": "documents.redaction.JsonFormatter"},
    },
    "filters": {"request_id": {"()": "documents.request_id.InLogs"}},
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "stream": sys.stderr,
            "filters": ["request_id"],
            "formatter": "json" if LOG_FORMAT == "json" else "line",
        },
    },
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        **{app: {"level": LOG_LEVEL} for app in ("ragsite", "documents", "ingestion", "chat")},
        # Its every attempt at a connection; documents/outages.py says what there is to say.
        "psycopg.pool": {"level": "ERROR"},
        # It names accounts and addresses; the audit log has what there is to know.
        "axes": {"level": logging.ERROR},
        # These log addresses and bodies.
        **{name: {"level": logging.WARNING} for name in ("httpx", "httpcore", "qdrant_client")},
        # Its lines say that something is tried again, and nothing of what.
        "stamina": {"level": logging.ERROR},
    },
}
