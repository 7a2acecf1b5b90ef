"""On what was measured: the machine, the parts the settings selected, the commit."""

import os
import platform
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings

from chat.pipeline import AnswerPipeline


def about(pipeline: AnswerPipeline, without: list[str], seed: int) -> dict[str, Any]:
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": machine(),
        "parts": parts(pipeline),
        "without": without,
        "seed": seed,
    }


def parts(pipeline: AnswerPipeline) -> dict[str, Any]:
    retriever = pipeline.retriever
    return {
        "embedding": str(retriever.index.space),
        "index": "qdrant" if settings.QDRANT_URL else "embedded",
        "fusion": settings.FUSION,
        "reranker": getattr(retriever.reranker, "name", type(retriever.reranker).__name__),
        "model": pipeline.model.name,
        "fetch_k": retriever.fetch_k,
        "top_k": retriever.top_k,
        "chunk_chars": settings.CHUNK_CHARS,
    }


def machine() -> str:
    names = [platform.machine(), f"{os.cpu_count()} cores", f"Python {platform.python_version()}"]
    return ", ".join([platform.system(), *names])


def commit() -> str:
    """Of the code that runs; "+" when files were changed since; empty outside of a repository."""
    git = shutil.which("git")
    root = Path(settings.BASE_DIR)
    if git is None or not (root / ".git").exists():
        return ""
    try:
        head = _said([git, "-C", str(root), "rev-parse", "--short=12", "HEAD"])
        changed = _said([git, "-C", str(root), "status", "--porcelain", "--untracked-files=no"])
    except (OSError, subprocess.SubprocessError):
        return ""
    return head + ("+" if changed else "")


def _said(command: list[str]) -> str:
    done = subprocess.run(  # noqa: S603 - a fixed command
        command, capture_output=True, text=True, check=True, timeout=10
    )
    return done.stdout.strip()
