"""`make demo`: migrate, ingest the handbook, make an administrator, serve, say where to look."""

import argparse
import os
import secrets
import socket
import sys
from pathlib import Path

import django

HANDBOOK = Path(__file__).resolve().parent.parent / "docs" / "handbook"
HOST = "127.0.0.1"
SERVER = {
    "ws": "websockets-sansio",
    "ws_per_message_deflate": False,
    "ws_max_size": 65536,
    "timeout_graceful_shutdown": 25,
    "proxy_headers": False,  # TRUSTED_PROXIES alone says who is believed
    "access_log": False,
    "log_level": "warning",
}
TRY = (
    "What does the evidence gate do?",
    "How do I withdraw a document?",
    "What is the capital of Australia?",
)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--port", type=int, default=8000)
    port = arguments.parse_args().port
    if not 0 < port < 65536:
        sys.exit(f"{port} is no port: choose one between 1 and 65535.")
    if not port_is_free(port):
        sys.exit(f"Port {port} is taken. Choose another: make demo PORT={port + 1}")

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ragsite.settings")
    django.setup()
    from django.core.management import CommandError, call_command

    try:
        call_command("migrate", verbosity=0)
        call_command("ingest", str(HANDBOOK), corpus="handbook", public=True, trust_tier="official")
    except CommandError as error:
        sys.exit(str(error))
    password = demo_administrator()
    print(welcome(port, password), flush=True)  # noqa: T201
    serve(port)


def port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As uvicorn will: a socket that is only closing does not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def demo_administrator() -> str | None:
    """The password of the new account; None when there is an administrator already."""
    from django.contrib.auth import get_user_model

    users = get_user_model().objects
    if users.filter(is_superuser=True).exists():
        return None
    password = secrets.token_urlsafe(12)
    users.create_superuser("admin", password=password)
    return password


def welcome(port: int, password: str | None) -> str:
    base = f"http://{HOST}:{port}"
    account = f"user admin, password {password} (shown once)" if password else "your account"
    questions = "\n".join(f"    {question}" for question in TRY)
    return f"""
  Chat       {base}/
  Admin      {base}/admin/   {account}
  API        {base}/api/v1/schema/swagger/
  Handbook   {base}/read/handbook/index

  Three things to ask (the last is not in the handbook, and the answer says so):
{questions}

  From a terminal: .venv/bin/python manage.py ask "What is an embedding space?" --corpus handbook
  Stop with Ctrl-C.
"""


def serve(port: int) -> None:
    import uvicorn

    uvicorn.run("ragsite.asgi:application", host=HOST, port=port, **SERVER)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
