"""Customers, their people and addresses in the console."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from blb3d.core.admin import DocumentAdmin, DocumentInline
from sales import services as sales
from sales.models import Customer, CustomerAddress, CustomerUser

_FIELDS = (
    "name",
    "company_name",
    "email",
    "phone",
    "terms",
    "credit_limit",
    "price_level",
    "tax_exempt",
    "tax_exemption_number",
    "is_active",
    "notes",
)


class PersonInline(DocumentInline):
    """Who acts for the customer."""

    model = CustomerUser
    fields = ("user", "role", "approval_limit", "is_active")
    verbose_name = "person"
    verbose_name_plural = "people"


class AddressInline(DocumentInline):
    """Where the customer is."""

    model = CustomerAddress
    fields = (
        "address_type",
        "is_default",
        "name",
        "address_line1",
        "address_line2",
        "city",
        "state",
        "postal_code",
        "country",
    )


@admin.register(Customer)
class CustomerAdmin(DocumentAdmin):
    list_display = ("customer_number", "name", "company_name", "email", "terms", "is_active")
    list_filter = ("terms", "tax_exempt", "is_active")
    search_fields = ("customer_number", "name", "company_name", "email", "phone")
    header_fields = ("email", "phone", "terms", "price_level")
    related_documents = ("quotes", "orders")
    fieldsets = (
        (None, {"fields": (("name", "company_name"), ("email", "phone"))}),
        (
            "Terms",
            {
                "fields": (
                    ("terms", "credit_limit"),
                    ("price_level", "is_active"),
                    ("tax_exempt", "tax_exemption_number"),
                    "notes",
                )
            },
        ),
    )
    inlines = (PersonInline, AddressInline)

    def create(self, request: HttpRequest, obj: Any, form: Any) -> Customer:
        """Create the customer under the next number."""
        fields = {name: form.cleaned_data[name] for name in _FIELDS}
        return sales.create_customer(actor=request.user, **fields)  # type: ignore[arg-type]
