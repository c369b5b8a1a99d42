"""The company's page: its people, addresses and invoices."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from blb3d.accounts.actor import actor_of
from blb3d.core.errors import BLB3DError, NotFound
from sales import selectors
from sales import services as sales
from sales.models import Customer, CustomerAddress, CustomerUser, Invoice
from sales.portal.base import UNPROCESSABLE, form_refusal, page, show
from sales.portal.forms import BookAddressForm, InviteForm

INVOICES_SHOWN = 25


def _member(request: HttpRequest) -> CustomerUser:
    member = selectors.membership_of(actor_of(request))
    if member is None:
        raise NotFound("You act for no company here.")
    return member


@login_required
@require_http_methods(["GET", "POST"])
@page
def company(request: HttpRequest) -> HttpResponseBase:
    """Show the company; its administrators add people and addresses here."""
    member = _member(request)
    customer, actor = member.customer, actor_of(request)
    asked = request.POST.get("form") if request.method == "POST" else None
    invite = InviteForm(request.POST if asked == "invite" else None)
    address = BookAddressForm(request.POST if asked == "address" else None)
    form = {"invite": invite, "address": address}.get(asked or "")
    if form is not None and form.is_valid():
        try:
            if form is invite:
                sales.add_customer_user(customer, **invite.cleaned_data, actor=actor)
                messages.success(
                    request, f"{invite.cleaned_data['email']} gets a mail with a link to choose a password."
                )
            else:
                sales.save_address(customer, **address.arguments(), actor=actor)
                messages.success(request, "The address is saved.")
        except BLB3DError as error:
            form_refusal(form, error)
        else:
            return redirect("portal:company")
    context = _context(customer, member, invite, address)
    return show(request, "portal/company.html", context, status=UNPROCESSABLE if form and form.errors else 200)


def _context(customer: Customer, member: CustomerUser, invite: InviteForm, address: BookAddressForm) -> dict[str, Any]:
    is_admin = member.role == CustomerUser.Role.ADMIN
    people = CustomerUser.objects.filter(customer=customer, is_active=True).select_related("user").order_by("pk")
    addresses = CustomerAddress.objects.filter(customer=customer).order_by("-is_default", "pk")
    invoices = Invoice.objects.filter(sales_order__customer=customer).select_related("sales_order").order_by("-pk")
    return {
        "customer": {
            "name": customer.company_name or customer.name,
            "customer_number": customer.customer_number,
            "terms": customer.get_terms_display(),
            "tax_exempt": customer.tax_exempt,
            "approval_limit": member.approval_limit,
        },
        "members": [
            {
                "name": row.user.get_full_name(),
                "email": row.user.email,
                "role": row.get_role_display().capitalize(),
                "last_login": row.user.last_login,
                "remove_url": "" if row.pk == member.pk else reverse("portal:company-user-remove", args=[row.pk]),
            }
            for row in people
        ],
        "addresses": [
            {
                "label": row.get_address_type_display().capitalize(),
                "is_default": row.is_default,
                "name": row.name,
                "company": row.company,
                "line1": row.address_line1,
                "line2": row.address_line2,
                "city": row.city,
                "state": row.state,
                "zip": row.postal_code,
                "country": row.country,
                "remove_url": reverse("portal:company-address-remove", args=[row.pk]),
            }
            for row in addresses
        ],
        "invoices": [
            {
                "invoice_number": row.invoice_number,
                "date": row.issued_on,
                "total": row.grand_total,
                "status": row.sales_order.payment_status,
                "url": reverse("portal:invoice", args=[row.pk]),
            }
            for row in invoices[:INVOICES_SHOWN]
        ],
        "can_manage": is_admin,
        "form": invite if is_admin else None,
        "address_form": address if is_admin else None,
        "nav": "company",
    }


@login_required
@require_POST
@page
def remove_user(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Take a colleague's access away."""
    member = _member(request)
    row = CustomerUser.objects.filter(pk=pk, customer=member.customer).first()
    if row is None:
        raise NotFound
    sales.update_customer_user(row, is_active=False, actor=actor_of(request))
    messages.success(request, "That person has no access any more.")
    return redirect("portal:company")


@login_required
@require_POST
@page
def remove_address(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Take an address off the list."""
    member = _member(request)
    row = CustomerAddress.objects.filter(pk=pk, customer=member.customer).first()
    if row is None:
        raise NotFound
    sales.remove_address(row, actor=actor_of(request))
    messages.success(request, "The address is removed.")
    return redirect("portal:company")
