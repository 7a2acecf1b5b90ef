from django.urls import path

from chat.views.answers import answered
from chat.views.citations import MessageCitations
from chat.views.conversations import ConversationDetail, ConversationList
from chat.views.events import MessageCancel, MessageEvents
from chat.views.messages import MessageList
from chat.views.search import SearchView
from chat.views.visitor_tokens import VisitorTokens

messages = answered(MessageList.as_view())
events = answered(MessageEvents.as_view())
cancel = answered(MessageCancel.as_view())
citations = MessageCitations.as_view()

urlpatterns = [
    path("conversations/", ConversationList.as_view(), name="conversations"),
    path("conversations/<uuid:pk>/", ConversationDetail.as_view(), name="conversation"),
    path("conversations/<uuid:conversation_id>/messages/", messages, name="messages"),
    path("messages/<uuid:message_id>/citations/", citations, name="message-citations"),
    path("messages/<uuid:message_id>/events/", events, name="message-events"),
    path("messages/<uuid:message_id>/cancel/", cancel, name="message-cancel"),
    path("visitor-tokens/", VisitorTokens.as_view(), name="visitor-tokens"),
    path("search/", SearchView.as_view(), name="search"),
]
