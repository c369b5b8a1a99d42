"""What production's views share: permissions by act, rows by id or code, bodies checked, reasons for waiting."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from django.db.models import Model, QuerySet
from rest_framework import serializers, status
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ReadOnlyModelViewSet

from blb3d.accounts.models import User
from blb3d.core.api.lists import PlainListMixin
from blb3d.core.api.permissions import requires
from blb3d.core.api.versions import VersionedMixin, expected_version
from blb3d.core.errors import NotFound


class PermittedMixin(PlainListMixin):
    """Asks for the permission to view the model, or for the one that an act names in `acts`."""

    model: type[Model]
    #: Method of the view -> codename that it needs.
    acts: ClassVar[dict[str, str]] = {}

    def get_permissions(self) -> Sequence[BasePermission]:
        name = self.model._meta.model_name
        codename = self.acts.get(getattr(self, "action", None) or "", f"view_{name}")
        return [requires(f"production.{codename}")()]


class DocumentViewSet(PermittedMixin, VersionedMixin, ReadOnlyModelViewSet[Any]):
    """Base of documents found by id or code, whose every row may say why it waits."""

    lookup_value_regex = r"[^/]+"

    def reasons(self, rows: Iterable[Any]) -> dict[int, str]:
        """Return why rows wait, by id."""
        raise NotImplementedError

    def get_object(self) -> Any:
        """Return the document that the path names."""
        found = self.find(self.get_queryset(), str(self.kwargs["pk"]))
        if found is None:
            raise NotFound(details={"id": self.kwargs["pk"]})
        return found

    def find(self, rows: QuerySet[Any], key: str) -> Any:
        """Return the row with this id or code."""
        return by_key(rows, key, ("pk", "code"))

    def list_context(self, rows: list[Any]) -> dict[str, Any]:
        return {**super().list_context(rows), "waiting": self.reasons(rows)}

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Return one row."""
        return self.answer(self.get_object())

    def answer(self, document: Any, code: int = status.HTTP_200_OK) -> Response:
        """Return the document as it is now."""
        row = self.get_queryset().get(pk=document.pk)
        return Response(self.get_serializer_class()(row, context=self.list_context([row])).data, status=code)

    def valid(self, serializer_class: type[serializers.Serializer[Any]]) -> dict[str, Any]:
        """Return the body, checked."""
        serializer = serializer_class(data=self.request.data)
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data

    def current(self) -> Any:
        """Return the document that the path names, if it is the version that the caller has seen."""
        document = self.get_object()
        document.check_version(expected_version(self.request))
        return document


def by_key(rows: QuerySet[Any], key: str, fields: Sequence[str]) -> Any:
    if "\0" in key:  # no database keeps such a text, and some refuse to look for it
        return None
    for field in fields:
        if field == "pk" and not (key.isdecimal() and len(key) < 19):
            continue
        found = rows.filter(**{field: key}).order_by("-id").first()
        if found is not None:
            return found
    return None


def acting_user(request: Request) -> Any:
    """Return the caller as the verbs' actor."""
    return request.user


def job_fields(user: Any) -> tuple[str, ...]:
    """Return by what a job is looked up: a machine means the id it gave itself, a person ours."""
    if user.kind == User.Kind.SERVICE:
        return ("bambu_job_id", "pk", "code")
    return ("pk", "code", "bambu_job_id")


def status_changes(document: Any) -> list[dict[str, Any]]:
    """Return every change of a document's status, the oldest first, in one query."""
    changes: list[dict[str, Any]] = []
    before = None
    for row in document.history.select_related("history_user").order_by("history_id"):
        if row.status != before:
            changes.append(
                {
                    "at": row.history_date,
                    "by": str(row.history_user) if row.history_user else None,
                    "old_status": before,
                    "new_status": row.status,
                    "reason": row.history_change_reason or "",
                }
            )
            before = row.status
    return changes
