from django.apps import AppConfig


class ChatConfig(AppConfig):
    name = "chat"

    def ready(self) -> None:
        from chat import audited, checks, receivers  # noqa: F401 - registers them
        from chat.auth import checks as _of_sign_in  # noqa: F401
        from chat.auth import receivers as of_credentials

        of_credentials.listen()
