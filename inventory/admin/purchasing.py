"""What is wanted, ordered, received and sent back, in the console."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from unfold.contrib.filters.admin import RangeDateFilter, RangeDateTimeFilter
from unfold.decorators import display

from blb3d.accounts.models import User
from blb3d.core.admin import AdminVerb, DocumentAdmin, DocumentInline, ReadOnlyInline, money_column
from blb3d.core.admin.reading import readings
from blb3d.core.admin.verbs import worded
from blb3d.core.errors import BLB3DError
from blb3d.core.money import line_total
from blb3d.core.templatetags.blb3d_ui import money, plain_number, when
from inventory import services as inventory
from inventory.admin.purchase_forms import (
    BillForm,
    ChargesForm,
    CreditForm,
    LandedCostForm,
    LinesForm,
    ReceiptForm,
    RescheduleForm,
    ReturnForm,
)
from inventory.admin.units import UnitForm, UnitsInline
from inventory.models import (
    GoodsReceipt,
    GoodsReceiptLine,
    LandedCost,
    PurchaseOrder,
    PurchaseOrderLine,
    PurchaseRequisition,
    VendorBill,
    VendorReturn,
    VendorReturnLine,
)
from inventory.services.purchasing import needs_approval

Status = PurchaseOrder.Status
_ON_ITS_WAY = (Status.ORDERED, Status.PARTIALLY_RECEIVED)
_CAME = (Status.PARTIALLY_RECEIVED, Status.RECEIVED, Status.CLOSED_SHORT)


class PurchaseLineForm(UnitForm):
    """A line of a draft."""

    def clean_line_number(self) -> int:
        """Refuse the number of a line that was taken off: it stands for that one in plans and history."""
        number: int = self.cleaned_data["line_number"]
        order_id = self.instance.purchase_order_id
        if order_id and "line_number" in self.changed_data:
            gone = PurchaseOrderLine.all_objects.filter(purchase_order=order_id, deleted_at__isnull=False)
            if gone.filter(line_number=number).exists():
                raise ValidationError(f"Line {number} was taken off this order: give this one another number.")
        return number


class PurchaseOrderLineInline(UnitsInline, DocumentInline):
    """What is bought; edited while the order is a draft."""

    model = PurchaseOrderLine
    form = PurchaseLineForm
    fields = (
        "line_number",
        "product",
        "vendor_sku",
        "quantity",
        "unit_of_measure",
        "unit_price",
        "amount",
        "needed_on",
        "expected_on",
        "came",
    )
    readonly_fields = ("amount", "came")
    list_related = ("purchase_order",)
    show_change_link = False

    @display(description="total")
    def amount(self, line: PurchaseOrderLine) -> str:
        """Show what the line comes to."""
        return money(line_total(line.unit_price, line.quantity), line.purchase_order.currency) if line.pk else "–"

    @display(description="came")
    def came(self, line: PurchaseOrderLine) -> str:
        """Show what came, went back and is not expected any more."""
        if not line.pk:
            return "–"
        words = [plain_number(line.quantity_received)]
        if line.quantity_returned:
            words.append(f"{plain_number(line.quantity_returned)} went back")
        if line.quantity_cancelled:
            words.append(f"{plain_number(line.quantity_cancelled)} cancelled")
        return ", ".join(words)

    def _is_draft(self, obj: Any) -> bool:
        return obj is None or obj.status == Status.DRAFT

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Return the columns; of an order that was sent they are only read, so they read as people do."""
        names = list(super().get_fields(request, obj))
        columns = {} if self._is_draft(obj) else readings(self.model)
        return [columns.get(name, name) for name in names]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[Any, ...]:
        """Return what nobody types, and what is only read."""
        read = () if self._is_draft(obj) else readings(self.model).values()
        return (*super().get_readonly_fields(request, obj), *read)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow new lines on a draft."""
        return self._is_draft(obj) and super().has_add_permission(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow changes on a draft."""
        return self._is_draft(obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow a line to be taken off a draft: nobody was told of it yet."""
        return obj is not None and self.has_change_permission(request, obj)


def print_order(order: PurchaseOrder, *, actor: User) -> HttpResponse:
    """Send the order as PDF."""
    return HttpResponse(
        inventory.purchase_order_pdf(order),
        content_type="application/pdf",
        headers={"Content-Disposition": f'inline; filename="{order.po_number}.pdf"'},
    )


def enter_bill(
    order: PurchaseOrder,
    *,
    lines: Sequence[inventory.BillLineSpec],
    bill_number: str,
    billed_on: datetime.date,
    due_on: datetime.date | None,
    freight: Decimal,
    tax: Decimal,
    notes: str,
    actor: User,
) -> VendorBill:
    """Enter the vendor's bill for this order."""
    return inventory.enter_bill(
        order.vendor,
        lines,
        bill_number=bill_number,
        billed_on=billed_on,
        due_on=due_on,
        currency=order.currency,
        freight=freight,
        tax=tax,
        notes=notes,
        actor=actor,
    )


@admin.register(PurchaseOrder)
class PurchaseOrderAdmin(DocumentAdmin):
    verb_template = "admin/purchasing/verb.html"

    list_display = ("po_number", "vendor", "status", "total_column", "ordered_on", "expected_on", "sent_at")
    list_filter = ("status", ("expected_on", RangeDateFilter))
    search_fields = ("po_number", "vendor__code", "vendor__name")
    header_fields = ("vendor", "ordered_on", "expected_on", "approval", "sent")
    related_documents = ("receipts", "returns", "requisitions", "lots")
    readonly_fields = ("po_number", "ordered_on")
    fields = (("po_number", "vendor"), ("expected_on", "currency"), "message", "notes")
    inlines = (PurchaseOrderLineInline,)
    verbs = {
        "order": inventory.order_purchase,
        "receive": AdminVerb(call=inventory.receive_goods, form_class=ReceiptForm, style="primary"),
        "close_short": inventory.close_purchase_short,
        "cancel": inventory.cancel_purchase,
    }
    extra_verbs = (
        AdminVerb(
            name="approve",
            call=inventory.approve_purchase,
            permission="inventory.approve_purchaseorder",
            visible=lambda order: order.status == Status.DRAFT and order.approved_at is None,
        ),
        AdminVerb(
            name="charges",
            label="Freight and tax",
            call=inventory.charge_purchase,
            permission="inventory.change_purchaseorder",
            form_class=ChargesForm,
            visible=lambda order: order.status == Status.DRAFT,
            quiet=True,
        ),
        AdminVerb(
            name="enter_bill",
            label="Enter their bill",
            call=enter_bill,
            permission="inventory.add_vendorbill",
            form_class=BillForm,
            visible=lambda order: order.status in (*_ON_ITS_WAY, *_CAME),
        ),
        AdminVerb(
            name="reschedule",
            label="Expect on another day",
            call=inventory.reschedule_purchase,
            permission="inventory.change_purchaseorder",
            form_class=RescheduleForm,
            reason_required=True,
            visible=lambda order: order.status in _ON_ITS_WAY,
        ),
        AdminVerb(
            name="cancel_rest",
            label="Expect no more of a line",
            call=inventory.cancel_purchase_rest,
            permission="inventory.cancel_purchaseorder",
            form_class=LinesForm,
            reason_required=True,
            visible=lambda order: order.status in _ON_ITS_WAY,
            quiet=True,
        ),
        AdminVerb(
            name="send_back",
            label="Send goods back",
            call=inventory.return_to_vendor,
            permission="inventory.add_vendorreturn",
            form_class=ReturnForm,
            reason_required=True,
            visible=lambda order: order.status in _CAME,
            quiet=True,
        ),
        AdminVerb(
            name="send_again",
            label="Mail it to the vendor again",
            call=inventory.send_purchase_again,
            permission="inventory.order_purchaseorder",
            visible=lambda order: order.status in _ON_ITS_WAY,
            quiet=True,
        ),
        AdminVerb(name="print", label="PDF", call=print_order, permission="inventory.view_purchaseorder", quiet=True),
    )
    bulk_verbs = ("order",)

    @display(description="total")
    def total_column(self, order: PurchaseOrder) -> str:
        """Show what the order comes to."""
        return money(order.total, order.currency)

    @display(description="mailed")
    def sent(self, order: PurchaseOrder) -> str:
        """Show when the vendor was mailed the order, or that somebody has to send it."""
        if order.sent_at is not None:
            return when(order.sent_at)
        has_to = order.status in _ON_ITS_WAY and not order.vendor.email
        return "not: the vendor has no mail address, send the PDF" if has_to else ""

    @display(description="approval")
    def approval(self, order: PurchaseOrder) -> str:
        """Show who said yes, or that somebody has to."""
        if order.approved_by is not None:
            return f"by {order.approved_by}"
        return "needed" if order.status == Status.DRAFT and needs_approval(order) else ""

    def totals(self, obj: PurchaseOrder) -> list[tuple[str, str]]:
        """Show the sums as they stand on the paper."""
        shown = [("Lines", obj.subtotal), ("Freight", obj.freight), ("Tax", obj.tax), ("Total", obj.total)]
        return [(words, money(amount, obj.currency)) for words, amount in shown if amount or words == "Total"]

    def page_links(self, obj: PurchaseOrder) -> list[tuple[str, str]]:
        """Lead to what the vendor billed of it."""
        if not VendorBill.objects.filter(lines__order_line__purchase_order=obj).exists():
            return []
        bills = reverse("admin:inventory_vendorbill_changelist")
        return [("Their bills", f"{bills}?{urlencode({'lines__order_line__purchase_order': obj.pk})}")]

    def progress(self, obj: PurchaseOrder) -> tuple[int, int, str] | None:
        """Show how many of its lines are here."""
        if obj.status not in (*_ON_ITS_WAY, *_CAME):
            return None
        lines = list(obj.lines.all())
        here = sum(not line.owed for line in lines)
        return (here, len(lines), f"{here} of {len(lines)} lines here") if lines else None

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Keep what the vendor was told of an order that was sent."""
        sent = obj is not None and obj.status != Status.DRAFT
        kept = ("vendor", "currency", "expected_on", "message") if sent else ()
        return (*super().get_readonly_fields(request, obj), *kept)

    def create(self, request: HttpRequest, obj: PurchaseOrder, form: Any) -> PurchaseOrder:
        """Write the draft under its number; the lines of the page follow."""
        return inventory.create_purchase_order(
            obj.vendor,
            expected_on=obj.expected_on,
            currency=obj.currency,
            notes=obj.notes,
            message=obj.message,
            actor=request.user,  # type: ignore[arg-type]
        )

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Save the lines and bring the order's sum to them; what was approved before is approved no more.

        It is not what was approved either when it goes to somebody else or in another money.
        """
        super().save_related(request, form, formsets, change)
        is_another = change and not {"vendor", "currency"}.isdisjoint(form.changed_data)
        if is_another or any(formset.has_changed() for formset in formsets):
            inventory.settle_purchase(form.instance, actor=request.user)  # type: ignore[arg-type]


class WantedForm(UnitForm):
    """What is wanted, in one of the product's units."""

    unit_field = "unit"


@admin.register(PurchaseRequisition)
class PurchaseRequisitionAdmin(DocumentAdmin):
    form = WantedForm
    list_display = ("number", "product", "status", "quantity", "unit", "needed_on", "vendor", "wanted_by", "source")
    list_filter = ("status", "source", ("needed_on", RangeDateFilter))
    search_fields = ("number", "product__sku", "product__name")
    header_fields = ("product", "needed_on", "wanted_by", "vendor", "purchase_order")
    readonly_fields = ("number", "wanted_by", "source", "purchase_order")
    fields = ("product", ("quantity", "unit"), ("needed_on", "vendor"), "reason")
    verbs = {
        "order": AdminVerb(
            call=inventory.order_requisition,
            confirm="It becomes a line of the draft that its vendor has, or of a new one.",
        ),
        "refuse": inventory.refuse_requisition,
    }
    actions = ("order_chosen",)

    def has_order_permission(self, request: HttpRequest) -> bool:
        """Tell whether this person may turn requisitions into orders."""
        return request.user.has_perm("inventory.order_purchaserequisition")

    @admin.action(description="Write orders for what is chosen", permissions=["order"])
    def order_chosen(self, request: HttpRequest, queryset: QuerySet[PurchaseRequisition]) -> None:
        """Write one draft for each vendor of the chosen requisitions; all of them or none."""
        try:
            orders = inventory.order_requisitions(list(queryset), actor=request.user)  # type: ignore[arg-type]
        except BLB3DError as error:
            self.message_user(request, worded(error), messages.ERROR)
            return
        numbers = ", ".join(order.po_number for order in orders)
        self.message_user(request, f"Written as draft: {numbers}.", messages.SUCCESS)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Keep what was asked for once it is answered."""
        closed = obj is not None and obj.status != PurchaseRequisition.Status.OPEN
        asked = ("product", "quantity", "unit", "needed_on", "vendor", "reason") if closed else ()
        return (*super().get_readonly_fields(request, obj), *(("product",) if obj is not None else ()), *asked)

    def create(self, request: HttpRequest, obj: PurchaseRequisition, form: Any) -> PurchaseRequisition:
        """Ask for it under a number."""
        return inventory.request_purchase(
            obj.product,
            quantity=obj.quantity,
            unit=obj.unit,
            needed_on=obj.needed_on,
            vendor=obj.vendor,
            reason=obj.reason,
            actor=request.user,  # type: ignore[arg-type]
        )


class ReceiptLineInline(ReadOnlyInline):
    """What came, by lot."""

    model = GoodsReceiptLine
    fields = ("line_number", "product", "lot", "location", "bought", "stocked", "unit_cost", "back")
    readonly_fields = ("bought", "stocked", "back")
    show_change_link = False

    @display(description="came as")
    def bought(self, line: GoodsReceiptLine) -> str:
        """Show what came in the unit it was bought in."""
        return f"{plain_number(line.quantity)} {line.unit_of_measure}"

    @display(description="in stock as")
    def stocked(self, line: GoodsReceiptLine) -> str:
        """Show what came in the product's own unit."""
        return f"{plain_number(line.stock_quantity)} {line.product.unit_of_measure}"

    @display(description="went back")
    def back(self, line: GoodsReceiptLine) -> str:
        """Show what went back in the product's own unit, and what of it was refused."""
        if not line.returned_quantity:
            return "–"
        refused = f", {plain_number(line.rejected_quantity)} refused" if line.rejected_quantity else ""
        return f"{plain_number(line.returned_quantity)} {line.product.unit_of_measure}{refused}"


class LandedCostInline(ReadOnlyInline):
    """What the delivery cost beyond its prices."""

    model = LandedCost
    fields = ("kind", "basis", "amount", "on_stock_amount", "expensed_amount", "notes")
    show_change_link = False


class WrittenOnce(DocumentAdmin):
    """A document that a verb wrote: only its acts change anything."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: it is written from another document's page."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: only acts change it."""
        return False


def send_back(receipt: GoodsReceipt, *, actor: User, reason: str, **given: Any) -> VendorReturn:
    """Send goods of this receipt back."""
    return inventory.return_to_vendor(receipt.purchase_order, reason=reason, actor=actor, **given)


def add_landed_cost(receipt: GoodsReceipt, *, actor: User, reason: str, **given: Any) -> None:
    """Share a cost that came later among what this receipt brought."""
    inventory.add_landed_cost(receipt, reason=reason, actor=actor, **given)


@admin.register(GoodsReceipt)
class GoodsReceiptAdmin(WrittenOnce):
    verb_template = "admin/purchasing/verb.html"

    list_display = ("number", "purchase_order", "vendor", "received_at", "packing_slip", "created_by")
    list_filter = (("received_at", RangeDateTimeFilter),)
    search_fields = ("number", "packing_slip", "purchase_order__po_number", "purchase_order__vendor__name")
    list_related = ("purchase_order__vendor",)
    header_fields = ("purchase_order", "vendor", "received_at", "packing_slip")
    fields = ("notes",)
    inlines = (ReceiptLineInline, LandedCostInline)
    extra_verbs = (
        AdminVerb(
            name="landed_cost",
            label="Add freight or duty",
            call=add_landed_cost,
            permission="inventory.add_landedcost",
            form_class=LandedCostForm,
            reason_required=True,
        ),
        AdminVerb(
            name="send_back",
            label="Send goods back",
            call=send_back,
            permission="inventory.add_vendorreturn",
            form_class=ReturnForm,
            reason_required=True,
        ),
    )

    @display(description="vendor")
    def vendor(self, receipt: GoodsReceipt) -> str:
        """Show who sent it."""
        return str(receipt.purchase_order.vendor)


class ReturnLineInline(ReadOnlyInline):
    """What went back, by lot."""

    model = VendorReturnLine
    fields = ("line_number", "what", "gone", "unit_cost", "was_rejected")
    readonly_fields = ("what", "gone")
    list_related = ("receipt_line__product", "receipt_line__lot")
    show_change_link = False

    @display(description="what")
    def what(self, line: VendorReturnLine) -> str:
        """Show product and lot."""
        came = line.receipt_line
        return f"{came.product}, lot {came.lot}" if came.lot is not None else str(came.product)

    @display(description="quantity")
    def gone(self, line: VendorReturnLine) -> str:
        """Show how much went back."""
        return f"{plain_number(line.quantity)} {line.receipt_line.product.unit_of_measure}"


@admin.register(VendorReturn)
class VendorReturnAdmin(WrittenOnce):
    list_display = ("number", "purchase_order", "vendor", "status", "expected", "received", "returned_at")
    list_filter = ("status", ("returned_at", RangeDateTimeFilter))
    search_fields = ("number", "vendor_reference", "purchase_order__po_number", "purchase_order__vendor__name")
    list_related = ("purchase_order__vendor",)
    expected = money_column("credit_expected_amount", "credit expected")
    received = money_column("credit_received_amount", "credit received")
    header_fields = ("purchase_order", "vendor", "returned_at", "expected", "vendor_reference", "tracking_number")
    fields = ("reason", ("credit_received_amount", "credited_on"))
    inlines = (ReturnLineInline,)
    verbs = {"credit": AdminVerb(call=inventory.credit_return, form_class=CreditForm, label="Record the credit")}

    @display(description="vendor")
    def vendor(self, returned: VendorReturn) -> str:
        """Show where it went."""
        return str(returned.purchase_order.vendor)
