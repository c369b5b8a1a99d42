"""A console of one document, for the tests of what all documents' pages share."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpResponse
from django.urls import include, path
from unfold.sites import UnfoldAdminSite

from blb3d.accounts.models import User
from blb3d.core.admin import AdminVerb, DocumentAdmin, ReadOnlyInline, VerbForm, chip_column, key_choice, money_column
from blb3d.core.errors import InvalidValue
from blb3d.core.verbs import verb
from sales.lifecycles import SALES_ORDER
from sales.models import Customer, SalesOrder, SalesOrderLine


@verb
def confirm(order: SalesOrder, *, actor: User, reason: str = "") -> SalesOrder:
    with SALES_ORDER.step(order, "confirm", actor=actor, reason=reason):
        pass
    return order


@verb
def deliver(order: SalesOrder, *, actor: User) -> SalesOrder:
    with SALES_ORDER.step(order, "deliver", actor=actor):
        pass
    return order


@verb
def hold(order: SalesOrder, *, actor: User, reason: str) -> SalesOrder:
    with SALES_ORDER.step(order, "hold", actor=actor, reason=reason):
        order.hold_reason = reason
    return order


@verb
def cancel(order: SalesOrder, *, actor: User, reason: str) -> SalesOrder:
    with SALES_ORDER.step(order, "cancel", actor=actor, reason=reason):
        pass
    return order


@verb
def promise(order: SalesOrder, *, actor: User, days: int) -> Customer:
    if days > 30:
        raise InvalidValue("Nobody waits that long.", details={"days": days})
    order.internal_note = f"promised in {days} days"
    order.save()
    return order.customer


class PromiseForm(VerbForm):
    days = forms.IntegerField()

    def prepare(self) -> None:
        self.fields["days"].initial = self.document.priority  # type: ignore[attr-defined]


class MoveForm(VerbForm):
    customer = key_choice(SalesOrder, "customer")


def paper(order: SalesOrder, *, actor: User) -> HttpResponse:
    return HttpResponse(f"paper of {order}", content_type="application/pdf")


class LineInline(ReadOnlyInline):
    model = SalesOrderLine
    fields = ("line_number", "product", "quantity")


class OrderAdmin(DocumentAdmin):
    list_display = ("order_number", "customer", "status", "payment", "total")
    search_fields = ("order_number",)
    payment = chip_column("payment_status", "payment")
    total = money_column("grand_total", "total")
    header_fields = ("source", "total")
    related_documents = ("customer", "quote", "shipments")
    fields = ("customer_po_number", "internal_note", "customer")
    inlines = (LineInline,)
    verbs = {"confirm": confirm, "deliver": deliver, "hold": hold, "cancel": cancel}
    bulk_verbs = ("confirm",)
    extra_verbs = (
        AdminVerb(
            name="promise",
            call=promise,
            permission="sales.change_salesorder",
            form_class=PromiseForm,
            visible=lambda order: order.status == "pending",
        ),
        AdminVerb(name="paper", call=paper, permission="sales.view_salesorder"),
        AdminVerb(name="move", call=promise, permission="sales.change_salesorder", form_class=MoveForm),
    )

    def save_model(self, request: Any, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if obj.customer_po_number == "refuse":
            raise InvalidValue("That number is taken.")


class CustomerAdmin(DocumentAdmin):
    list_display = ("customer_number", "name")
    search_fields = ("name",)


class Site(UnfoldAdminSite):
    """A site without the console's frame, which knows the real one's pages only."""

    settings_name = "UNFOLD_BARE"


site = Site(name="admin")
site.register(SalesOrder, OrderAdmin)
site.register(Customer, CustomerAdmin)

urlpatterns = [path("admin/", site.urls), path("", include("blb3d.core.tests.portal_urls"))]
