"""Lists by page, with a count; and long ledgers by cursor, without one."""

from __future__ import annotations

from typing import Any

from rest_framework.pagination import CursorPagination as BaseCursorPagination
from rest_framework.pagination import PageNumberPagination
from rest_framework.response import Response

PAGE_SIZE = 50
MAX_PAGE_SIZE = 200


class PagePagination(PageNumberPagination):
    """`?page=2&page_size=100`: count, next, previous, results."""

    page_size = PAGE_SIZE
    page_size_query_param = "page_size"
    max_page_size = MAX_PAGE_SIZE


class CursorPagination(BaseCursorPagination):
    """`?cursor=...`: the same envelope with `count` null; newest first, steady while rows are added."""

    page_size = PAGE_SIZE
    page_size_query_param = "page_size"
    max_page_size = MAX_PAGE_SIZE
    ordering = "-id"

    def get_paginated_response(self, data: Any) -> Response:
        return Response(
            {"count": None, "next": self.get_next_link(), "previous": self.get_previous_link(), "results": data}
        )

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        described = super().get_paginated_response_schema(schema)
        described["properties"] = {"count": {"type": ["integer", "null"], "example": None}, **described["properties"]}
        return described
