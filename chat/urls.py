from django.urls import path

from chat import views

urlpatterns = [
    path("conversations/", views.ConversationList.as_view(), name="conversations"),
    path("conversations/<uuid:pk>/", views.ConversationDetail.as_view(), name="conversation"),
    path(
        "conversations/<uuid:conversation_id>/messages/",
        views.MessageList.as_view(),
        name="messages",
    ),
    path(
        "messages/<uuid:message_id>/citations/",
        views.MessageCitations.as_view(),
        name="message-citations",
    ),
    path("search/", views.SearchView.as_view(), name="search"),
]
