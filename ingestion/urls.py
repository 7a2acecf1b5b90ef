from django.urls import path

from ingestion import views

urlpatterns = [
    path("documents/", views.Documents.as_view(), name="documents"),
    path("sources/", views.SourceList.as_view(), name="sources"),
    path("sources/<slug:source>/sync/", views.SourceSync.as_view(), name="sync"),
    path("runs/", views.RunList.as_view(), name="runs"),
    path("runs/<int:pk>/", views.RunDetail.as_view(), name="run"),
    path("runs/<int:pk>/items/", views.RunItems.as_view(), name="run-items"),
    path("runs/<int:pk>/cancel/", views.RunCancel.as_view(), name="run-cancel"),
    path("runs/<int:pk>/retry/", views.RunRetry.as_view(), name="run-retry"),
]
