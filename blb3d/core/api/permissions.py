"""Who may call a view. What a verb may be told to do, the verb checks itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

if TYPE_CHECKING:
    from rest_framework.views import APIView


class IsStaff(BasePermission):
    """People of the console and machines with a key."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return bool(request.user and request.user.is_authenticated and request.user.is_staff)


def requires(permission: str) -> type[BasePermission]:
    """Return a permission class for one codename, such as `production.view_printjob`."""

    class Requires(BasePermission):
        def has_permission(self, request: Request, view: APIView) -> bool:
            return bool(request.user and request.user.is_authenticated and request.user.has_perm(permission))

    return Requires
