"""`/integration`: how the connections stand, what the printers do, whether there is material, and orders of quotes."""

from __future__ import annotations

from typing import Any

from django.db.models import Model
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from blb3d.accounts.actor import actor_of
from blb3d.core.api.permissions import IsStaff, requires
from blb3d.core.api.routers import both_slashes
from blb3d.core.api.serializers import ErrorSerializer, StrictSerializer
from blb3d.core.errors import NotFound
from integrations.models import Channel
from integrations.selectors import PrinterStatus, printer_statuses, sync_status
from inventory.selectors.materials import check_material
from production.models import Printer, PrinterSlot, PrintJob, ProductionOrder
from quotes import services as quotes
from quotes.selectors import for_user, named


class ChannelSerializer(serializers.ModelSerializer[Channel]):
    class Meta:
        model = Channel
        fields = ("marketplace", "is_active", "last_message_at", "last_poll_at", "polled_until", "last_error")


class SyncStatusSerializer(serializers.Serializer[Any]):
    channels = ChannelSerializer(many=True)
    inbox_pending = serializers.IntegerField()
    inbox_dead = serializers.IntegerField()
    outbox_pending = serializers.IntegerField()
    outbox_dead = serializers.IntegerField()
    outbox_lag_seconds = serializers.IntegerField(help_text="Age of the oldest fact that nobody has relayed.")
    commands_pending = serializers.IntegerField(help_text="Commands on their way to printers.")
    commands_dead = serializers.IntegerField()
    dead_letters = serializers.IntegerField(help_text="Everything that waits for a person.")
    printers_online = serializers.IntegerField()
    printers_total = serializers.IntegerField()


class SlotSerializer(serializers.ModelSerializer[PrinterSlot]):
    class Meta:
        model = PrinterSlot
        fields = ("tray", "material_type", "color_hex", "remain_percent")


class PrinterStatusSerializer(serializers.Serializer[PrinterStatus]):
    id = serializers.IntegerField(source="printer.pk")
    name = serializers.CharField(source="printer.name")
    serial = serializers.CharField(source="printer.serial")
    model = serializers.CharField(source="printer.model")
    status = serializers.CharField(source="printer.state", help_text="The machine's own word, such as RUNNING.")
    connection = serializers.CharField(source="printer.connection")
    is_active = serializers.BooleanField(source="printer.is_active")
    is_ready = serializers.BooleanField(source="printer.is_ready")
    last_seen_at = serializers.DateTimeField(source="printer.last_seen_at", allow_null=True)
    current_job_id = serializers.IntegerField(source="job.pk", default=None, allow_null=True)
    current_job_code = serializers.CharField(source="job.code", default=None, allow_null=True)
    progress_percent = serializers.DecimalField(5, 2, source="job.progress_percent", default=None, allow_null=True)
    remaining_time = serializers.IntegerField(
        source="job.remaining_minutes", default=None, allow_null=True, help_text="Minutes."
    )
    slots = SlotSerializer(source="printer.slots", many=True)


class MaterialCheckSerializer(StrictSerializer):
    material_type = serializers.CharField(max_length=20)
    required_quantity = serializers.DecimalField(12, 4, min_value=0, help_text="kg")


class PlaceSerializer(serializers.Serializer[Any]):
    location = serializers.CharField()
    quantity = serializers.DecimalField(12, 4, help_text="kg that nobody has reserved")


class MaterialAnswerSerializer(serializers.Serializer[Any]):
    material_type = serializers.CharField()
    required_quantity = serializers.DecimalField(12, 4)
    available = serializers.BooleanField()
    on_hand = serializers.DecimalField(12, 4)
    allocated = serializers.DecimalField(12, 4)
    locations = PlaceSerializer(many=True)


def _may_view(model: type[Model]) -> tuple[type, ...]:
    return (IsStaff, requires(f"{model._meta.app_label}.view_{model._meta.model_name}"))


class SyncStatusView(APIView):
    permission_classes = _may_view(Channel)

    @extend_schema(operation_id="integration_sync_status", responses=SyncStatusSerializer)
    def get(self, request: Request, **_: Any) -> Response:
        """Return what waits at each door to the outside, and what is stuck."""
        return Response(SyncStatusSerializer(sync_status()).data)


class PrinterStatusView(APIView):
    permission_classes = _may_view(Printer)

    @extend_schema(operation_id="integration_printer_status", responses=PrinterStatusSerializer(many=True))
    def get(self, request: Request, **_: Any) -> Response:
        """Return what every printer does now."""
        rows: Any = printer_statuses(Printer.objects.all())
        return Response(PrinterStatusSerializer(rows, many=True).data)


class MaterialCheckView(APIView):
    permission_classes = (requires("inventory.view_inventory"),)

    @extend_schema(
        operation_id="integration_material_check",
        request=MaterialCheckSerializer,
        responses={200: MaterialAnswerSerializer, 400: ErrorSerializer},
    )
    def post(self, request: Request, **_: Any) -> Response:
        """Say whether so many kg of a material type are free, all colours together, and where they lie."""
        asked = MaterialCheckSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        given = asked.validated_data
        return Response(
            MaterialAnswerSerializer(check_material(given["material_type"], given["required_quantity"])).data
        )


class ConvertQuoteSerializer(StrictSerializer):
    quote_id = serializers.CharField(max_length=40, help_text="The quote's id or number.")
    customer_id = serializers.IntegerField(help_text="Whose quote it is; another customer's is not found.")


class ConvertedSerializer(serializers.Serializer[Any]):
    sales_order_id = serializers.IntegerField()
    production_order_id = serializers.IntegerField(allow_null=True, help_text="The first of the order, if any.")
    print_job_id = serializers.IntegerField(
        allow_null=True, help_text="The first of that order; null until its print files are released."
    )


class ConvertQuoteView(APIView):
    permission_classes = (IsStaff, requires("quotes.convert_quote"))

    @extend_schema(
        operation_id="integration_quotes_convert",
        request=ConvertQuoteSerializer,
        responses={200: ConvertedSerializer, 400: ErrorSerializer, 404: ErrorSerializer, 409: ErrorSerializer},
    )
    def post(self, request: Request, **_: Any) -> Response:
        """Order an accepted quote for its customer's address on file; called again it names the same order."""
        asked = ConvertQuoteSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        given, actor = asked.validated_data, actor_of(request)
        quote = named(for_user(actor), given["quote_id"])
        if quote is None or quote.customer_id != given["customer_id"]:
            raise NotFound
        order = quotes.convert_quote(quote, actor=actor)
        production_order = ProductionOrder.objects.filter(sales_order=order).order_by("id").first()
        job = PrintJob.objects.filter(parts__production_order=production_order).order_by("id").first()
        return Response(
            {
                "sales_order_id": order.pk,
                "production_order_id": production_order.pk if production_order else None,
                "print_job_id": job.pk if job else None,
            }
        )


urlpatterns = [
    both_slashes("integration/sync-status", SyncStatusView.as_view(), "integration-sync-status"),
    both_slashes("integration/printer-status", PrinterStatusView.as_view(), "integration-printer-status"),
    both_slashes("integration/material-check", MaterialCheckView.as_view(), "integration-material-check"),
    both_slashes("integration/quotes/convert", ConvertQuoteView.as_view(), "integration-quotes-convert"),
]
