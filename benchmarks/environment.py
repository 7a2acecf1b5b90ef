"""A throw-away installation for a benchmark: its own database, none of the developer's services."""

import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EVAL_DIR = ROOT.parent / "shared" / "eval"


def set_up() -> tempfile.TemporaryDirectory[str]:
    """Django on an empty database; keep the returned folder as long as it is needed.

    COHERE_API_KEY and EMBEDDER of the environment count, so that Cohere can be measured too.
    """
    folder = tempfile.TemporaryDirectory(prefix="ragsite-benchmark-")
    sys.path.insert(0, str(ROOT))
    os.environ["DATABASE_URL"] = f"sqlite:///{folder.name}/db.sqlite3"
    os.environ["QDRANT_URL"] = os.environ["REDIS_URL"] = ""
    os.environ.setdefault("LOG_LEVEL", "WARNING")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ragsite.settings")
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    return folder
