"""A small API of its own, with the base's parts and no business, for the tests of the base."""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.urls import include, path
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import Throttled
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from blb3d import urls
from blb3d.accounts.models import User
from blb3d.core.api.idempotency import idempotent
from blb3d.core.api.pagination import CursorPagination
from blb3d.core.api.permissions import IsStaff, requires
from blb3d.core.api.routers import BothSlashRouter, both_slashes
from blb3d.core.api.serializers import StrictSerializer
from blb3d.core.api.versions import VersionedMixin, expected_version
from blb3d.core.errors import AlreadyDone, PartnerUnavailable


class ThingSerializer(StrictSerializer):
    name = serializers.CharField()
    size = serializers.IntegerField(required=False)
    made_by = serializers.CharField(read_only=True)


class EmailSerializer(serializers.ModelSerializer[User]):
    class Meta:
        model = User
        fields = ("id", "email")


class ThingViewSet(viewsets.ViewSet):
    permission_classes = (AllowAny,)

    def list(self, request: Request) -> Response:
        return Response({"method": "list"})

    def create(self, request: Request) -> Response:
        serializer = ThingSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        return Response(serializer.validated_data, status=201)

    def retrieve(self, request: Request, pk: str) -> Response:
        return Response({"method": "retrieve", "pk": pk})

    def partial_update(self, request: Request, pk: str) -> Response:
        return Response({"method": "patch", "pk": pk})

    def destroy(self, request: Request, pk: str) -> Response:
        return Response(status=204)

    @action(detail=True, methods=["post", "patch"])
    def accept(self, request: Request, pk: str) -> Response:
        return Response({"method": "accept", "pk": pk})


class UserViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[User]):
    permission_classes = (AllowAny,)
    queryset = User.objects.order_by("id")
    serializer_class = EmailSerializer


class LedgerViewSet(UserViewSet):
    pagination_class = CursorPagination


class Echo(APIView):
    permission_classes = (AllowAny,)

    def post(self, request: Request, **_: Any) -> Response:
        files = {name: file.read().decode() for name, file in request.FILES.items()}
        return Response({"data": {k: v for k, v in request.data.items() if k not in files}, "files": files})


class Failing(APIView):
    permission_classes = (AllowAny,)

    def get(self, request: Request, kind: str, **_: Any) -> Response:
        if kind == "done":
            raise AlreadyDone("Shipped already.", details={"id": 7})
        if kind == "partner":
            raise PartnerUnavailable
        if kind == "throttled":
            raise Throttled(wait=12.2)
        raise ZeroDivisionError


class StaffOnly(APIView):
    permission_classes = (IsStaff,)

    def get(self, request: Request, **_: Any) -> Response:
        return Response({"ok": True})


class NeedsPermission(StaffOnly):
    permission_classes = (requires("accounts.view_user"),)


class Versioned(VersionedMixin, APIView):
    permission_classes = (AllowAny,)

    def patch(self, request: Request, **_: Any) -> Response:
        return Response({"expected": expected_version(request), "version": 4})


class Counted(APIView):
    """Each call that does its work adds one user."""

    permission_classes = (AllowAny,)

    @idempotent()
    def post(self, request: Request, **_: Any) -> Response:
        if request.data.get("refuse"):
            raise AlreadyDone
        user = User.objects.create_user(f"{User.objects.count()}@example.com")
        return Response({"user": user.pk, "in_transaction": connection.in_atomic_block}, status=201)


class CountedSlowly(Counted):
    post = idempotent(atomic=False)(Counted.post.__wrapped__)  # type: ignore[attr-defined]


router = BothSlashRouter()
router.register("things", ThingViewSet, basename="thing")
router.register("users", UserViewSet, basename="user")
router.register("ledger", LedgerViewSet, basename="ledger")

v1 = [
    *router.urls,
    both_slashes("echo", Echo.as_view(), "echo"),
    both_slashes("failing/(?P<kind>[a-z]+)", Failing.as_view(), "failing"),
    both_slashes("staff", StaffOnly.as_view(), "staff"),
    both_slashes("needs-permission", NeedsPermission.as_view(), "needs-permission"),
    both_slashes("versioned", Versioned.as_view(), "versioned"),
    both_slashes("counted", Counted.as_view(), "counted"),
    both_slashes("counted-slowly", CountedSlowly.as_view(), "counted-slowly"),
]

urlpatterns = [path("api/test/", include((v1, "test"), namespace="v1")), *urls.urlpatterns]
handler400, handler403 = urls.handler400, urls.handler403
handler404, handler500 = urls.handler404, urls.handler500
