"""Locations, lots, spools, balances and the ledger in the console."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from unfold.contrib.filters.admin import RangeDateTimeFilter

from blb3d.accounts.models import User
from blb3d.core.admin import AdminVerb, DocumentAdmin, LedgerAdmin, number_column
from inventory import services as inventory
from inventory.admin.forms import AdjustForm, ScrapForm, TransferForm
from inventory.models import (
    Inventory,
    InventoryLocation,
    InventoryTransaction,
    MaterialLot,
    Reservation,
    Spool,
)


@admin.register(InventoryLocation)
class InventoryLocationAdmin(DocumentAdmin):
    list_display = ("code", "name", "parent", "is_default", "is_active")
    list_filter = ("is_active",)
    search_fields = ("code", "name")
    fields = (("code", "name"), "parent", ("is_default", "is_active"))


@admin.register(MaterialLot)
class MaterialLotAdmin(DocumentAdmin):
    list_display = (
        "lot_number",
        "product",
        "vendor",
        "status",
        "quantity_remaining",
        "received_date",
        "expiration_date",
    )
    list_filter = ("status", ("received_date", RangeDateTimeFilter), ("expiration_date", RangeDateTimeFilter))
    search_fields = ("lot_number", "vendor_lot_number", "product__sku", "product__name")
    list_related = ("product",)
    header_fields = ("product", "vendor", "purchase_order", "quantity_received", "quantity_remaining", "unit_cost",
                     "received_date", "expiration_date")  # fmt: skip
    related_documents = ("spools",)
    verbs = {
        "release": inventory.release_lot,
        "quarantine": inventory.quarantine_lot,
        "expire": AdminVerb(call=inventory.expire_lot, style="danger"),
    }

    def page_links(self, obj: MaterialLot) -> list[tuple[str, str]]:
        """Lead to the orders, parts and customers that got something of it."""
        return [("Who got it", f"{reverse('console-trace')}?{urlencode({'number': obj.lot_number})}")]

    def progress(self, obj: MaterialLot) -> tuple[int, int, str] | None:
        """Show how much of it is used."""
        if not obj.quantity_received:
            return None
        used = int(100 * (obj.quantity_received - obj.quantity_remaining) / obj.quantity_received)
        return (used, 100, f"{used} % used")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Ask of a new lot what its receipt needs."""
        fields: list[Any] = [
            "product",
            ("lot_number", "vendor_lot_number"),
            ("vendor", "purchase_order"),
            ("quantity_received", "unit_cost"),
            ("received_date", "expiration_date"),
        ]
        return fields if obj is None else [*fields, "coa_document_path"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Keep what the receipt said."""
        received = (
            "product",
            "lot_number",
            "vendor",
            "purchase_order",
            "quantity_received",
            "unit_cost",
            "received_date",
        )
        return (*super().get_readonly_fields(request, obj), *(received if obj is not None else ()))

    def create(self, request: HttpRequest, obj: MaterialLot, form: Any) -> MaterialLot:
        """Receive the lot at the default location."""
        return inventory.receive_lot(
            obj.product,
            lot_number=obj.lot_number,
            quantity=obj.quantity_received,
            unit_cost=obj.unit_cost,
            vendor=obj.vendor,
            purchase_order=obj.purchase_order,
            vendor_lot_number=obj.vendor_lot_number,
            received_at=obj.received_date,
            expires_at=obj.expiration_date,
            actor=request.user,  # type: ignore[arg-type]
        )


@admin.register(Spool)
class SpoolAdmin(DocumentAdmin):
    list_display = ("label", "lot", "left", "tag_uid")
    search_fields = ("label", "tag_uid", "tray_uuid", "lot__lot_number")
    left = number_column("remaining_grams", "left", "g")
    header_fields = ("lot", "remaining_grams")
    related_documents = ("lot",)
    fields = (("label", "lot"), ("tray_uuid", "tag_uid"), ("tare_grams", "remaining_grams"))


def adjust_balance(balance: Inventory, *, quantity_change: Decimal, reason: str, actor: User) -> InventoryTransaction:
    """Correct this balance."""
    return inventory.adjust_stock(
        balance.product,
        location=balance.location,
        quantity_change=quantity_change,
        reason=reason,
        lot=balance.lot,
        actor=actor,
    )


def scrap_balance(balance: Inventory, *, quantity: Decimal, reason: str, actor: User) -> InventoryTransaction:
    """Throw stock of this balance away."""
    return inventory.scrap_stock(
        balance.product, location=balance.location, quantity=quantity, reason=reason, lot=balance.lot, actor=actor
    )


def transfer_balance(
    balance: Inventory, *, quantity: Decimal, target: InventoryLocation, reason: str, actor: User
) -> list[InventoryTransaction]:
    """Move stock of this balance to another location."""
    return inventory.transfer_stock(
        balance.product,
        quantity=quantity,
        source=balance.location,
        target=target,
        lot=balance.lot,
        reason=reason,
        actor=actor,
    )


@admin.register(Inventory)
class BalanceAdmin(LedgerAdmin):
    list_display = ("product", "location", "lot", "on_hand_quantity", "allocated_quantity", "available_quantity",
                    "cost_per_unit", "updated_at")  # fmt: skip
    list_filter = (("location", admin.RelatedOnlyFieldListFilter), "product__category")
    search_fields = ("product__sku", "product__name", "lot__lot_number")
    header_fields = ("product", "location", "lot", "on_hand_quantity", "allocated_quantity", "available_quantity")
    related_documents = ("product", "lot")
    extra_verbs = (
        AdminVerb(
            name="adjust",
            label="Correct",
            call=adjust_balance,
            permission="inventory.add_inventorytransaction",
            form_class=AdjustForm,
            reason_required=True,
        ),
        AdminVerb(
            name="transfer",
            label="Move",
            call=transfer_balance,
            permission="inventory.add_inventorytransaction",
            form_class=TransferForm,
            visible=lambda balance: balance.available_quantity > 0,
        ),
        AdminVerb(
            name="scrap",
            call=scrap_balance,
            permission="inventory.add_inventorytransaction",
            form_class=ScrapForm,
            reason_required=True,
            style="danger",
            visible=lambda balance: balance.available_quantity > 0,
        ),
    )

    def heading(self, obj: Inventory) -> str:
        """Name the balance by product, location and lot."""
        return " · ".join([obj.product.sku, obj.location.code, *([obj.lot.lot_number] if obj.lot else [])])


@admin.register(InventoryTransaction)
class InventoryTransactionAdmin(LedgerAdmin):
    list_display = (
        "transaction_date",
        "transaction_type",
        "product",
        "location",
        "lot",
        "on_hand_change",
        "allocated_change",
        "reference",
        "created_by",
    )
    list_filter = ("transaction_type", ("transaction_date", RangeDateTimeFilter), "reference_type")
    search_fields = ("product__sku", "lot__lot_number", "reason")
    list_lookups = ("reference_id",)
    header_fields = ("transaction_type", "product", "on_hand_change", "allocated_change", "created_by")

    def reference(self, obj: InventoryTransaction) -> str:
        """Say what the movement was for."""
        return f"{obj.get_reference_type_display()} {obj.reference_id or ''}".strip()


@admin.register(Reservation)
class ReservationAdmin(LedgerAdmin):
    list_display = ("sku", "location", "lot", "kept", "reference", "created_at")
    list_filter = ("reference_type",)
    list_related = ("balance__product", "balance__location", "balance__lot")
    search_fields = ("balance__product__sku", "balance__lot__lot_number")
    kept = number_column("quantity")

    def sku(self, obj: Reservation) -> str:
        """Show what is reserved."""
        return str(obj.balance.product)

    def location(self, obj: Reservation) -> str:
        """Show where it lies."""
        return obj.balance.location.code

    def lot(self, obj: Reservation) -> str:
        """Show of which lot it is."""
        return obj.balance.lot.lot_number if obj.balance.lot else "–"

    def reference(self, obj: Reservation) -> str:
        """Say for whom it is kept."""
        return f"{obj.get_reference_type_display()} {obj.reference_id}"

    def heading(self, obj: Reservation) -> str:
        """Name the reservation by what it keeps for whom."""
        return f"{self.sku(obj)} for {self.reference(obj)}"
