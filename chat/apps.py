from django.apps import AppConfig


class ChatConfig(AppConfig):
    name = "chat"

    def ready(self) -> None:
        from chat import checks, receivers  # noqa: F401 - registers them
        from chat.auth import receivers as of_credentials

        of_credentials.listen()
