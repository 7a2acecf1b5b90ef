from django.urls import path

from chat.views.answers import answered
from chat.views.branches import ConversationBranch
from chat.views.citations import MessageCitations
from chat.views.conversations import ConversationDetail, ConversationList
from chat.views.events import MessageCancel, MessageEvents
from chat.views.exports import ConversationExport
from chat.views.feedback import MessageFeedback
from chat.views.messages import MessageList, Regenerate
from chat.views.search import SearchView
from chat.views.visitor_tokens import VisitorTokens

messages = answered(MessageList.as_view())
events = answered(MessageEvents.as_view())
cancel = answered(MessageCancel.as_view())
regenerate = answered(Regenerate.as_view())
branch, export = ConversationBranch.as_view(), ConversationExport.as_view()
citations, feedback = MessageCitations.as_view(), MessageFeedback.as_view()

urlpatterns = [
    path("conversations/", ConversationList.as_view(), name="conversations"),
    path("conversations/<uuid:pk>/", ConversationDetail.as_view(), name="conversation"),
    path("conversations/<uuid:conversation_id>/messages/", messages, name="messages"),
    path("conversations/<uuid:conversation_id>/branch/", branch, name="branch"),
    path("conversations/<uuid:conversation_id>/export/", export, name="export"),
    path("messages/<uuid:message_id>/citations/", citations, name="message-citations"),
    path("messages/<uuid:message_id>/events/", events, name="message-events"),
    path("messages/<uuid:message_id>/cancel/", cancel, name="message-cancel"),
    path("visitor-tokens/", VisitorTokens.as_view(), name="visitor-tokens"),
    path("messages/<uuid:message_id>/feedback/", feedback, name="feedback"),
    path("messages/<uuid:message_id>/regenerate/", regenerate, name="regenerate"),
    path("search/", SearchView.as_view(), name="search"),
]
