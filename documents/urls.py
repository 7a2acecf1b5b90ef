from django.urls import path

from documents import views

urlpatterns = [
    path("documents/", views.DocumentList.as_view(), name="documents"),
    path("documents/<int:pk>/", views.DocumentDetail.as_view(), name="document"),
    path("chunks/<uuid:pk>/", views.ChunkDetail.as_view(), name="chunk"),
]
