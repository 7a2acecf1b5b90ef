from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from chat.views.page import chat_page
from documents.reader import read_page
from ragsite import health

api: list[URLPattern | URLResolver] = [
    path("health/live/", health.live, name="live"),
    path("health/ready/", health.ready, name="ready"),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("schema/swagger/", SpectacularSwaggerView.as_view(url_name="schema"), name="swagger"),
    path("", include("documents.urls")),
    path("", include("ingestion.urls")),
    path("", include("chat.urls")),
]

urlpatterns = [
    path("", chat_page, name="chat"),
    path("read/<slug:source>/<path:route>", read_page, name="read"),
    path("api/v1/", include(api)),
    path("admin/", admin.site.urls),
]

handler400 = "documents.problems.bad_request"
handler500 = "documents.problems.server_error"
