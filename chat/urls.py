from django.urls import path

from chat.views.citations import MessageCitations
from chat.views.conversations import ConversationDetail, ConversationList
from chat.views.messages import MessageList
from chat.views.search import SearchView

urlpatterns = [
    path("conversations/", ConversationList.as_view(), name="conversations"),
    path("conversations/<uuid:pk>/", ConversationDetail.as_view(), name="conversation"),
    path("conversations/<uuid:conversation_id>/messages/", MessageList.as_view(), name="messages"),
    path(
        "messages/<uuid:message_id>/citations/",
        MessageCitations.as_view(),
        name="message-citations",
    ),
    path("search/", SearchView.as_view(), name="search"),
]
