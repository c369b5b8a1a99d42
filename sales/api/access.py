"""Who may call the views of sales."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.views import APIView

from blb3d.core.api.lists import PlainListMixin
from blb3d.core.documents import Document
from sales import selectors


class MaySee(IsAuthenticated):
    """Customers see their own; staff and machines need the permission to view the view's model."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not super().has_permission(request, view):
            return False
        model: type[Document] = view.model  # type: ignore[attr-defined]
        return not request.user.is_staff or request.user.has_perm(f"sales.view_{model._meta.model_name}")


class OwnRowsMixin(PlainListMixin):
    """A viewset over one sales document, filtered by who asks: a stranger's id is not found."""

    model: type[Document]
    permission_classes = (MaySee,)

    def get_queryset(self) -> QuerySet[Any]:
        if getattr(self, "swagger_fake_view", False):
            return self.model.objects.none()
        return selectors.for_user(self.request.user, self.model)  # type: ignore[attr-defined]
