"""Balances, the ledger and reservations in the console."""

from __future__ import annotations

import datetime
from decimal import Decimal

from django.apps import apps
from django.contrib import admin
from django.urls import reverse
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import display

from blb3d.accounts.models import User
from blb3d.core.admin import AdminVerb, LedgerAdmin, money_column
from blb3d.core.templatetags.blb3d_ui import plain_number
from inventory import services as inventory
from inventory.admin.forms import AdjustForm, RevalueForm, ScrapForm, TransferForm
from inventory.models import (
    Inventory,
    InventoryLocation,
    InventoryTransaction,
    Reference,
    Reservation,
)
from inventory.services.reversal import is_reversible


def adjust_balance(
    balance: Inventory,
    *,
    quantity_change: Decimal,
    at: datetime.datetime | None,
    reason: str,
    actor: User,
) -> InventoryTransaction:
    """Correct this balance."""
    return inventory.adjust_stock(
        balance.product,
        location=balance.location,
        quantity_change=quantity_change,
        reason=reason,
        lot=balance.lot,
        at=at,
        actor=actor,
    )


def scrap_balance(
    balance: Inventory, *, quantity: Decimal, at: datetime.datetime | None, reason: str, actor: User
) -> InventoryTransaction:
    """Throw stock of this balance away."""
    return inventory.scrap_stock(
        balance.product,
        location=balance.location,
        quantity=quantity,
        reason=reason,
        lot=balance.lot,
        at=at,
        actor=actor,
    )


def revalue_balance(balance: Inventory, *, unit_cost: Decimal, reason: str, actor: User) -> list[InventoryTransaction]:
    """Change what this stock is worth: a lot wherever it lies, stock without one here."""
    return inventory.revalue_stock(
        balance.product,
        unit_cost=unit_cost,
        reason=reason,
        lot=balance.lot,
        location=None if balance.lot else balance.location,
        actor=actor,
    )


def transfer_balance(
    balance: Inventory,
    *,
    quantity: Decimal,
    target: InventoryLocation,
    at: datetime.datetime | None,
    reason: str,
    actor: User,
) -> list[InventoryTransaction]:
    """Move stock of this balance to another location."""
    return inventory.transfer_stock(
        balance.product,
        quantity=quantity,
        source=balance.location,
        target=target,
        lot=balance.lot,
        reason=reason,
        at=at,
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
        AdminVerb(
            name="revalue",
            label="Change its value",
            call=revalue_balance,
            permission="inventory.revalue_stock",
            form_class=RevalueForm,
            reason_required=True,
            visible=lambda balance: balance.on_hand_quantity > 0,
            quiet=True,
        ),
    )

    def heading(self, obj: Inventory) -> str:
        """Name the balance by product, location and lot."""
        return " · ".join([obj.product.sku, obj.location.code, *([obj.lot.lot_number] if obj.lot else [])])


def reverse_row(row: InventoryTransaction, *, reason: str, actor: User) -> None:
    """Undo this movement by its opposite."""
    inventory.reverse_transaction(row, reason=reason, actor=actor)


def is_undoable(row: InventoryTransaction) -> bool:
    """Return whether the movement may be undone here and was not yet."""
    return is_reversible(row) and not row.reversals.exists()


#: What a movement was for -> whose page tells of it; a line of an order has none of its own.
_DOCUMENTS: dict[str, str] = {
    Reference.PRODUCTION_ORDER: "production.ProductionOrder",
    Reference.PRINT_JOB: "production.PrintJob",
    Reference.SALES_ORDER: "sales.SalesOrder",
    Reference.SHIPMENT: "sales.Shipment",
    Reference.PURCHASE_ORDER: "inventory.PurchaseOrder",
    Reference.GOODS_RECEIPT: "inventory.GoodsReceipt",
    Reference.VENDOR_RETURN: "inventory.VendorReturn",
    Reference.VENDOR_BILL: "inventory.VendorBill",
    Reference.RMA: "sales.RMA",
    Reference.CYCLE_COUNT: "inventory.CycleCount",
    Reference.LOT: "inventory.MaterialLot",
}


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
        "worth",
        "reference",
        "created_by",
    )
    list_filter = ("transaction_type", ("transaction_date", RangeDateTimeFilter), "reference_type")
    search_fields = ("product__sku", "lot__lot_number", "reason")
    list_lookups = ("reference_id",)
    header_fields = ("transaction_type", "product", "on_hand_change", "allocated_change", "value_change", "created_by")
    related_documents = ("product", "lot", "reverses", "reversals")
    worth = money_column("value_change", "value")
    extra_verbs = (
        AdminVerb(
            name="reverse",
            call=reverse_row,
            permission="inventory.reverse_inventorytransaction",
            reason_required=True,
            style="danger",
            visible=is_undoable,
        ),
    )

    def heading(self, obj: InventoryTransaction) -> str:
        """Say what moved how."""
        kind = str(obj.get_transaction_type_display())
        unit = "" if obj.product.unit_of_measure == "each" else f" {obj.product.unit_of_measure}"
        return f"{kind[:1].upper()}{kind[1:]} of {plain_number(abs(obj.quantity))}{unit} {obj.product.sku}"

    def page_links(self, obj: InventoryTransaction) -> list[tuple[str, str]]:
        """Lead to the document that the movement was for."""
        label = _DOCUMENTS.get(obj.reference_type)
        row = apps.get_model(label)._base_manager.filter(pk=obj.reference_id).first() if label else None
        if row is None:
            return []
        return [(str(row), reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk]))]

    def reference(self, obj: InventoryTransaction) -> str:
        """Say what the movement was for."""
        return f"{obj.get_reference_type_display()} {obj.reference_id or ''}".strip()


@admin.register(Reservation)
class ReservationAdmin(LedgerAdmin):
    list_display = ("sku", "location", "lot", "kept", "reference", "created_at")
    list_filter = ("reference_type",)
    list_related = ("balance__product", "balance__location", "balance__lot")
    search_fields = ("balance__product__sku", "balance__lot__lot_number")

    @display(description="quantity", ordering="quantity")
    def kept(self, obj: Reservation) -> str:
        """Show how much is reserved."""
        product = obj.balance.product
        unit = "" if product.unit_of_measure == "each" else f" {product.unit_of_measure}"
        return f"{plain_number(obj.quantity)}{unit}"

    # A file of the list has the number alone.
    kept.shows = "quantity"  # type: ignore[attr-defined]

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
