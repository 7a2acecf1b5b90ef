from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from chat.views.completions import chat_completions, unknown_address
from chat.views.models import model_detail, model_list
from chat.views.page import chat_page
from documents.reader import read_page
from ragsite import health

# Its script in a file of its own: our policy allows none within a page.
swagger = SpectacularSwaggerSplitView.as_view(
    url_name="schema",
    template_name="documents/swagger.html",
    http_method_names=["get", "head"],  # its template cannot say what OPTIONS asks for
)
api: list[URLPattern | URLResolver] = [
    path("health/live/", health.live, name="live"),
    path("health/ready/", health.ready, name="ready"),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("schema/swagger/", swagger, name="swagger"),
    path("", include("documents.urls")),
    path("", include("ingestion.urls")),
    path("", include("chat.urls")),
]

openai_compatible: list[URLPattern | URLResolver] = [
    path("models", model_list, name="openai-models"),
    path("models/<str:name>", model_detail, name="openai-model"),
    path("chat/completions", chat_completions, name="openai-completions"),
    path("<path:path>", unknown_address, name="openai-unknown"),
]

urlpatterns = [
    path("", chat_page, name="chat"),
    path("read/<slug:source>/<path:route>", read_page, name="read"),
    path("api/v1/", include(api)),
    path("v1/", include(openai_compatible)),
    path("admin/", admin.site.urls),
]

handler400 = "documents.problems.bad_request"
handler404 = "documents.problems.not_found"
handler500 = "documents.problems.server_error"
