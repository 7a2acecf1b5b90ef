from django.urls import path

from documents import views

# The list of documents is at the same address as uploading them: ingestion/urls.py.
urlpatterns = [
    path("documents/<int:pk>/", views.DocumentDetail.as_view(), name="document"),
    path("documents/<int:pk>/file/", views.DocumentFile.as_view(), name="document-file"),
    path("chunks/<uuid:pk>/", views.ChunkDetail.as_view(), name="chunk"),
]
