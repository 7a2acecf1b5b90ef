"""What the OpenAPI page says about credentials. Importing this module registers it."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension

from chat.auth import visitors


class PrincipalScheme(OpenApiAuthenticationExtension):
    target_class = "chat.auth.authentication.PrincipalAuthentication"
    name = ["apiKey", "bearer", "visitorToken", "session"]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, str]]:
        return [
            {
                "type": "apiKey",
                "in": "header",
                "name": "Authorization",
                "description": "Api-Key followed by a space and the key.",
            },
            {
                "type": "http",
                "scheme": "bearer",
                "description": "A JWT of the Better Auth server, or an API key.",
            },
            {
                "type": "apiKey",
                "in": "header",
                "name": visitors.HEADER,
                "description": "What an anonymous visitor got with its conversation, or "
                "what was made with a publishable key.",
            },
            {"type": "apiKey", "in": "cookie", "name": "sessionid"},
        ]
