from django.urls import path

from ingestion import views

urlpatterns = [
    path("runs/", views.RunList.as_view(), name="runs"),
    path("runs/<int:pk>/", views.RunDetail.as_view(), name="run"),
]
