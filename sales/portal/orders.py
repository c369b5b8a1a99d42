"""Orders as their customers follow them."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from blb3d.accounts.actor import actor_of
from blb3d.core.errors import BLB3DError, NotFound
from blb3d.core.showcase import order_steps
from sales import selectors
from sales import services as sales
from sales.errors import PaymentDeclined, PaymentUnderWay
from sales.models import Invoice, SalesOrder, Shipment
from sales.portal.base import UNPROCESSABLE, form_refusal, page, paged, show, tabs, timeline
from sales.portal.forms import PayForm
from sales.services.payments import BANK_TRANSFER

Status = SalesOrder.Status

OPEN = (Status.PENDING, Status.CONFIRMED, Status.IN_PRODUCTION, Status.QUALITY_CHECK, Status.SHIPPED, Status.ON_HOLD)
_TABS = {"open": "Under way", "done": "Done", "all": "All"}
_HAPPENED = {
    Status.PENDING: "Order placed",
    Status.CONFIRMED: "Order confirmed",
    Status.IN_PRODUCTION: "Printing started",
    Status.QUALITY_CHECK: "All parts made, inspection",
    Status.SHIPPED: "Shipped",
    Status.DELIVERED: "Delivered",
    Status.COMPLETED: "Completed",
    Status.ON_HOLD: "Put on hold",
    Status.CANCELLED: "Cancelled",
}
#: Where the step bar stands, by status.
_STEP = {
    Status.PENDING: "confirmed",
    Status.CONFIRMED: "printing",
    Status.IN_PRODUCTION: "printing",
    Status.QUALITY_CHECK: "inspection",
    Status.SHIPPED: "shipped",
    Status.DELIVERED: "delivered",
    Status.COMPLETED: "delivered",
}


def _order(request: HttpRequest, pk: int) -> SalesOrder:
    order = selectors.for_user(actor_of(request), SalesOrder).select_related("customer").filter(pk=pk).first()
    if order is None:
        raise NotFound
    return order


def steps_of(order: SalesOrder, *, is_packed: bool) -> list[dict[str, str]]:
    """Return the step bar of an order; empty for a cancelled one."""
    status = order.held_from if order.status == Status.ON_HOLD else order.status
    if status not in _STEP:
        return []
    here = "packed" if status == Status.QUALITY_CHECK and is_packed else _STEP[Status(status)]
    steps = order_steps(here)
    if status in (Status.DELIVERED, Status.COMPLETED):
        steps[-1]["state"] = "done"
    return steps


def _progress(order: SalesOrder) -> dict[str, Any]:
    parcels = list(order.shipments.exclude(status=Shipment.Status.VOIDED).order_by("pk"))
    progress = selectors.order_progress([order.pk])[order.pk]
    return {
        "order": order,
        "steps": steps_of(order, is_packed=any(parcel.status == Shipment.Status.PACKED for parcel in parcels)),
        "progress": progress if progress.total and order.status != Status.CANCELLED else None,
        "shipments": [parcel for parcel in parcels if parcel.shipped_at],
    }


@login_required
@require_GET
@page
def order_list(request: HttpRequest) -> HttpResponse:
    """My company's orders."""
    filters, chosen = tabs(request, _TABS)
    rows = selectors.for_user(actor_of(request), SalesOrder).order_by("-id")
    if chosen != "all":
        rows = rows.filter(status__in=OPEN) if chosen == "open" else rows.exclude(status__in=OPEN)
    found, search = paged(request, rows, search=("order_number", "customer_po_number", "lines__name"))
    return show(
        request, "portal/order_list.html", {"page_obj": found, "filters": filters, "search": search, "nav": "orders"}
    )


@login_required
@require_GET
@page
def order_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One order: where its parts are, what it costs, where it goes."""
    order = _order(request, pk)
    member = selectors.membership_of(actor_of(request))
    made = order.status not in (Status.PENDING, Status.CONFIRMED, Status.CANCELLED)
    context = _progress(order)
    progress = context["progress"]
    lines = list(order.lines.select_related("product").order_by("line_number"))
    left = progress.good if made and progress is not None else 0
    shown = []
    for line in lines:
        done = min(line.quantity, left)
        left -= done
        shown.append(
            {
                "name": line.name,
                "sku": line.product.sku if line.product is not None else line.external_sku,
                "quantity": line.quantity,
                "quantity_done": max(done, line.quantity_shipped),
                "quantity_shipped": line.quantity_shipped,
                "unit_price": line.unit_price,
                "total": line.total,
            }
        )
    can_pay = order.amount_owed and order.status != Status.CANCELLED and not order.customer.has_terms
    waits = order.payments.filter(status="intended", method=BANK_TRANSFER).exists() if can_pay else False
    context |= {
        "lines": shown,
        "invoices": [
            {"invoice_number": row.invoice_number, "url": reverse("portal:invoice", args=[row.pk])}
            for row in order.invoices.order_by("pk")
        ],
        "actions": [
            {
                "name": "reorder",
                "label": "Order again",
                "url": reverse("portal:order-reorder", args=[order.pk]),
                "style": "",
                "consequences": ["The same parts in the same quantities", "You see and pay the new order next"],
            }
        ],
        "payment_url": reverse("portal:order-pay", args=[order.pk]) if can_pay else "",
        "waits_for_transfer": waits,
        "hold_reason": "We will be in touch." if order.status == Status.ON_HOLD else "",
        "timeline": timeline(order, _HAPPENED, member),
        "nav": "orders",
    }
    return show(request, "portal/order_detail.html", context)


@login_required
@require_GET
@page
def order_progress(request: HttpRequest, pk: int) -> HttpResponse:
    """The part of the order's page that is asked for again while parts are made."""
    return show(request, "portal/order_progress.html", _progress(_order(request, pk)))


@login_required
@require_http_methods(["GET", "POST"])
@page
def order_pay(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Pay what is owed."""
    order = _order(request, pk)
    if not order.amount_owed or order.status == Status.CANCELLED:
        return redirect("portal:order-detail", pk=order.pk)
    form = PayForm(request.POST or None, customer=order.customer)
    if request.method == "POST" and form.is_valid():
        payment = form.payment()
        try:
            if payment is not None:
                sales.charge_order(order, method=payment[0], token=payment[1], actor=actor_of(request))
        except PaymentUnderWay as error:
            messages.warning(request, error.message)
            return redirect("portal:order-detail", pk=order.pk)
        except PaymentDeclined as error:
            form.add_error(None, f"{error.message} {error.details['reason']} You can try another card.")
        except BLB3DError as error:
            form_refusal(form, error)
        else:
            order.refresh_from_db()
            paid = "Thank you, the order is paid." if order.is_paid else "Thank you. We start when the money is there."
            messages.success(request, paid)
            return redirect("portal:order-detail", pk=order.pk)
    status = UNPROCESSABLE if form.errors else 200
    return show(request, "portal/order_pay.html", {"order": order, "form": form, "nav": "orders"}, status=status)


@login_required
@require_POST
@page
def order_reorder(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Order the same again."""
    order = sales.reorder(_order(request, pk), actor=actor_of(request))
    messages.success(request, f"Ordered again as {order.order_number}.")
    return redirect("portal:order-detail", pk=order.pk)


@login_required
@require_GET
@page
def invoice(request: HttpRequest, pk: int) -> HttpResponse:
    """An invoice as PDF."""
    row = selectors.for_user(actor_of(request), Invoice).filter(pk=pk).first()
    if row is None:
        raise NotFound
    response = HttpResponse(sales.invoice_pdf(row), content_type="application/pdf")
    response["Content-Disposition"] = f'inline; filename="{row.invoice_number}.pdf"'
    response["Cache-Control"] = "private, no-store"
    return response
