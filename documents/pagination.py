"""Pages by cursor: no COUNT(*), and stable while rows are added."""

from rest_framework.pagination import CursorPagination

from documents.closed import PAGE_MAX


class NewestFirst(CursorPagination):
    ordering = ("-created_at", "-pk")
    page_size_query_param = "page_size"
    max_page_size = PAGE_MAX
