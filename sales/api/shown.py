"""How sales documents are shown: plain dictionaries from one read of each table, because lists are asked often."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from blb3d.accounts.models import User
from sales.lifecycles import SALES_ORDER, SHIPMENT
from sales.models import ADDRESS_COLUMNS, Invoice, InvoiceLine, SalesOrder, SalesOrderLine, Shipment, ShipmentLine

MONEY = {"max_digits": 12, "decimal_places": 2}
ADDRESS_FIELDS = tuple(f"{kind}_{column}" for kind in ("shipping", "billing") for column in ADDRESS_COLUMNS.values())
_ORDER_FIELDS = (
    "id",
    "order_number",
    "order_type",
    "source",
    "source_order_id",
    "source_order_number",
    "status",
    "payment_status",
    "customer_id",
    "quote__id",
    "product_id",
    "subtotal",
    "discount_total",
    "shipping_total",
    "tax_total",
    "grand_total",
    "amount_paid",
    "currency",
    "customer_po_number",
    "customer_note",
    "hold_reason",
    "promised_date",
    "priority",
    *ADDRESS_FIELDS,
    "created_at",
    "confirmed_at",
    "shipped_at",
    "delivered_at",
    "version",
)
_AMOUNTS = ("subtotal", "discount_total", "shipping_total", "tax_total", "grand_total", "amount_paid")
_LINE_FIELDS = (
    "sales_order_id",
    "id",
    "line_number",
    "product_id",
    "product__sku",
    "external_sku",
    "name",
    "options",
    "supply",
    "quantity",
    "unit_price",
    "total",
    "quantity_shipped",
)


class LineShown(serializers.Serializer[Any]):
    """A line of an order."""

    id = serializers.IntegerField()
    line_number = serializers.IntegerField()
    product_id = serializers.IntegerField(allow_null=True)
    sku = serializers.CharField()
    name = serializers.CharField()
    options = serializers.DictField()
    quantity = serializers.IntegerField()
    unit_price = serializers.DecimalField(**MONEY)
    total = serializers.DecimalField(**MONEY)
    quantity_shipped = serializers.IntegerField()
    status = serializers.ChoiceField(choices=["unmapped", "open", "part_shipped", "shipped"])


class OrderShown(serializers.ModelSerializer[SalesOrder]):
    """A sales order."""

    quote_id = serializers.IntegerField(allow_null=True)
    lines = LineShown(many=True)
    available_actions = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = SalesOrder
        fields = (
            *(name if name != "quote__id" else "quote_id" for name in _ORDER_FIELDS),
            "lines",
            "available_actions",
        )


def line_status(line: dict[str, Any]) -> str:
    """Return where a line stands, in a word."""
    if line["supply"] == SalesOrderLine.Supply.UNMAPPED:
        return "unmapped"
    if line["quantity_shipped"] == line["quantity"]:
        return "shipped"
    return "part_shipped" if line["quantity_shipped"] else "open"


def order_actions(row: dict[str, Any], user: User) -> list[str]:
    """Return what this user can do with an order now: steps of its lifecycle, paying, ordering again."""
    steps = SALES_ORDER.legal(row["status"])
    actions = [step.name for step in steps if step.permission and user.has_perm(step.permission)]
    if row["amount_paid"] < row["grand_total"] and row["status"] != SalesOrder.Status.CANCELLED:
        actions.append("pay")
    return [*actions, "reorder"]


def orders_shown(orders: QuerySet[SalesOrder] | Sequence[dict[str, Any]], user: User) -> list[dict[str, Any]]:
    """Return orders as they are shown, with their lines, in two queries."""
    rows = list(order_rows(orders) if isinstance(orders, QuerySet) else orders)
    lines: dict[int, list[dict[str, Any]]] = defaultdict(list)
    found = SalesOrderLine.objects.filter(sales_order_id__in=[row["id"] for row in rows])
    for line in found.order_by("sales_order_id", "line_number").values(*_LINE_FIELDS):
        shown = {name: line[name] for name in ("id", "line_number", "product_id", "name", "options", "quantity")}
        shown["unit_price"], shown["total"] = str(line["unit_price"]), str(line["total"])
        shown["sku"] = line["product__sku"] or line["external_sku"]
        shown["quantity_shipped"] = line["quantity_shipped"]
        shown["status"] = line_status(line)
        lines[line["sales_order_id"]].append(shown)
    for row in rows:
        row["quote_id"] = row.pop("quote__id")
        row["lines"] = lines[row["id"]]
        row["available_actions"] = order_actions(row, user)
        for name in _AMOUNTS:
            row[name] = str(row[name])
    return rows


def order_rows(orders: QuerySet[SalesOrder]) -> QuerySet[SalesOrder, dict[str, Any]]:
    """Return what ``orders_shown`` needs of each order."""
    return orders.values(*_ORDER_FIELDS)


def order_shown(order: SalesOrder, user: User) -> dict[str, Any]:
    """Return one order as it is now."""
    return orders_shown(SalesOrder.objects.filter(pk=order.pk), user)[0]


class ShipmentLineShown(serializers.Serializer[Any]):
    """How many of a line are in a parcel."""

    sales_order_line_id = serializers.IntegerField()
    quantity = serializers.IntegerField()
    serials = serializers.ListField(child=serializers.CharField())


class ShipmentShown(serializers.ModelSerializer[Shipment]):
    """A parcel."""

    sales_order_id = serializers.IntegerField()
    lines = ShipmentLineShown(many=True)
    available_actions = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = Shipment
        fields = (
            "id",
            "shipment_number",
            "sales_order_id",
            "status",
            "carrier",
            "service",
            "tracking_number",
            "tracking_url",
            "packed_at",
            "shipped_at",
            "delivered_at",
            "version",
            "lines",
            "available_actions",
        )


def shipments_shown(shipments: QuerySet[Shipment] | Sequence[dict[str, Any]], user: User) -> list[dict[str, Any]]:
    """Return parcels as they are shown, with what is in them, in three queries."""
    parcels = list(shipment_rows(shipments) if isinstance(shipments, QuerySet) else shipments)
    below = {"shipment__in": [parcel["id"] for parcel in parcels]}
    serials: dict[int, list[str]] = defaultdict(list)
    known = ShipmentLine.objects.filter(**below, serials__isnull=False)
    for line_id, number in known.order_by("-serials__id").values_list("id", "serials__serial_number"):
        serials[line_id].append(number)
    lines: dict[int, list[dict[str, Any]]] = defaultdict(list)
    rows = ShipmentLine.objects.filter(**below).order_by("id")
    for row in rows.values("id", "shipment_id", "sales_order_line_id", "quantity"):
        row["serials"] = serials[row.pop("id")]
        lines[row.pop("shipment_id")].append(row)
    for parcel in parcels:
        parcel["lines"] = lines[parcel["id"]]
        steps = SHIPMENT.legal(parcel["status"])
        parcel["available_actions"] = [s.name for s in steps if s.permission and user.has_perm(s.permission)]
    return parcels


def shipment_rows(shipments: QuerySet[Shipment]) -> QuerySet[Shipment, dict[str, Any]]:
    """Return what ``shipments_shown`` needs of each parcel."""
    return shipments.values(*(name for name in ShipmentShown.Meta.fields if name not in ("lines", "available_actions")))


class InvoiceLineShown(serializers.ModelSerializer[InvoiceLine]):
    """A line of an invoice."""

    class Meta:
        model = InvoiceLine
        fields = ("line_number", "sku", "description", "quantity", "unit_price", "total")


class InvoiceShown(serializers.ModelSerializer[Invoice]):
    """An invoice, as it was issued."""

    sales_order_id = serializers.IntegerField(read_only=True)
    lines = InvoiceLineShown(many=True, read_only=True)
    pdf_url = serializers.SerializerMethodField()

    class Meta:
        model = Invoice
        fields = (
            "id",
            "invoice_number",
            "kind",
            "sales_order_id",
            "issued_on",
            "due_on",
            "bill_to",
            "ship_to",
            "customer_po_number",
            "subtotal",
            "discount_total",
            "shipping_total",
            "tax_total",
            "grand_total",
            "currency",
            "lines",
            "pdf_url",
        )

    @extend_schema_field(serializers.CharField())
    def get_pdf_url(self, invoice: Invoice) -> str:
        return f"/api/v1/invoices/{invoice.pk}/pdf"
