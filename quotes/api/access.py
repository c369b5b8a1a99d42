"""Who may call the views of quoting."""

from __future__ import annotations

from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.views import APIView


class MaySee(IsAuthenticated):
    """Customers see their company's quotes; staff and machines need the permission to view them."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not super().has_permission(request, view):
            return False
        return not request.user.is_staff or request.user.has_perm("quotes.view_quote")
