"""A believable context for every page and mail of the portal, as the views give it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from django import forms
from django.core.paginator import Paginator
from django.utils import timezone

from blb3d.core.showcase import component_samples, order_steps


class QuoteForm(forms.Form):
    files = forms.FileField()
    material_type = forms.ChoiceField(label="Material", choices=[("PLA", "PLA"), ("PETG", "PETG: tough, to 70 °C")])
    color_name = forms.CharField(label="Colour", required=False)
    quality = forms.ChoiceField(
        label="Quality", choices=[("standard", "Standard"), ("fine", "Fine")], widget=forms.RadioSelect
    )
    finish = forms.ChoiceField(label="Finish", choices=[("smooth", "Smooth")], widget=forms.RadioSelect)
    rush = forms.ChoiceField(label="Speed", choices=[("rush", "Rush")], widget=forms.RadioSelect)
    infill_percent = forms.IntegerField(label="Infill", initial=20)
    quantity = forms.IntegerField(label="Quantity", initial=1)
    special_instructions = forms.CharField(label="Notes", widget=forms.Textarea(attrs={"rows": 3}), required=False)

    def rare_fields(self) -> list[forms.BoundField]:
        return [self["infill_percent"], self["special_instructions"]]


class PartForm(forms.Form):
    part = forms.IntegerField(label="Pieces of Lid in a set", initial=2)


class TalkForm(forms.Form):
    text = forms.CharField(label="Write to us", widget=forms.Textarea)
    target_unit_price = forms.DecimalField(label="Price you have in mind", required=False)


class AcceptForm(forms.Form):
    customer_po_number = forms.CharField(label="Your PO number", required=False)
    address = forms.ChoiceField(
        label="Ship to", choices=[("1", "Main works, Hamburg"), ("2", "Lab, Berlin")], widget=forms.RadioSelect
    )
    payment_method = forms.ChoiceField(
        label="Payment", choices=[("card", "Card now"), ("terms", "Invoice, net 30")], widget=forms.RadioSelect
    )


class AddressForm(forms.Form):
    shipping_name = forms.CharField(label="Name")
    shipping_company = forms.CharField(label="Company", required=False)
    shipping_address_line1 = forms.CharField(label="Street")
    shipping_address_line2 = forms.CharField(label="Suite", required=False)
    shipping_city = forms.CharField(label="City")
    shipping_state = forms.CharField(label="State")
    shipping_zip = forms.CharField(label="ZIP")
    shipping_country = forms.CharField(label="Country", initial="US")


class RegisterForm(forms.Form):
    first_name = forms.CharField(label="First name")
    last_name = forms.CharField(label="Last name")
    company_name = forms.CharField(label="Company", required=False)
    email = forms.EmailField(label="E-mail")
    password = forms.CharField(label="Password", widget=forms.PasswordInput, help_text="At least 12 characters.")


class LoginForm(forms.Form):
    email = forms.EmailField(label="E-mail")
    password = forms.CharField(label="Password", widget=forms.PasswordInput)


class InviteForm(forms.Form):
    email = forms.EmailField(label="E-mail")
    role = forms.ChoiceField(label="Role", choices=[("BUYER", "Buyer"), ("APPROVER", "Approver")])


def quote(**changes: Any) -> SimpleNamespace:
    sample = component_samples()["quote"]
    fields = {
        "pk": 42,
        "quote_number": "Q-2025-042",
        "status": "approved",
        "product_name": "Bracket & clip",
        "material_type": "PETG",
        "color_name": "Black",
        "color_hex": "#1d1d1f",
        "quality": "Standard, 0.20 mm",
        "infill_percent": 20,
        "currency": "USD",
        "expires_at": timezone.now() + dt.timedelta(days=30),
        "customer_po_number": "",
        "review_message": "",
        "special_instructions": "Flat side down, please.\nNo marks on the visible face.",
    }
    return SimpleNamespace(**{**sample, **fields, **changes})


def order(**changes: Any) -> SimpleNamespace:
    fields = {
        "pk": 14,
        "order_number": "SO-2025-014",
        "status": "in_production",
        "payment_status": "paid",
        "currency": "USD",
        "created_at": timezone.now() - dt.timedelta(days=2),
        "promised_date": timezone.localdate() + dt.timedelta(days=5),
        "customer_po_number": "4500-1187",
        "subtotal": Decimal("542.00"),
        "discount_total": Decimal("20.00"),
        "shipping_total": Decimal("12.90"),
        "tax_total": Decimal("36.54"),
        "grand_total": Decimal("571.44"),
        "shipping_name": "Anna Example",
        "shipping_company": "Example Works",
        "shipping_address_line1": "1 Harbour Street",
        "shipping_address_line2": "Gate 3",
        "shipping_city": "Portland",
        "shipping_state": "OR",
        "shipping_zip": "97201",
        "shipping_country": "US",
    }
    return SimpleNamespace(**{**fields, **changes})


def order_parts() -> dict[str, Any]:
    """Return what stands on an order's page besides the order."""
    samples = component_samples()
    return {
        "lines": [
            {**line, "quantity_done": Decimal("34"), "quantity_shipped": Decimal("0")} for line in samples["lines"]
        ],
        "shipments": [
            {
                "carrier": "UPS",
                "service": "Ground",
                "tracking_number": "1Z999AA10123456784",
                "tracking_url": "https://example.com/track",
                "shipped_at": timezone.now(),
            },
        ],
        "invoices": [{"invoice_number": "INV-2025-009", "url": "/invoice/9.pdf"}],
        "actions": samples["actions"],
    }


def customer_user() -> SimpleNamespace:
    return SimpleNamespace(
        is_authenticated=True, email="anna@example.com", first_name="Anna", get_full_name=lambda: "Anna Example"
    )


_PROGRESS = {"printed": 34, "good": 34, "scrapped": 1, "inspected": 30, "total": 50, "percent": Decimal("68.0")}


def variant(**changes: Any) -> SimpleNamespace:
    wishes = {"material_type": "PLA", "color": "Black", "quality": "standard", "quantity": 25}
    base = {**wishes, "color_name": "Black", "wishes": wishes, "unit_price": Decimal("12.50"), "problem": "",
            "total_price": Decimal("334.38"), "ready_by": timezone.localdate(), "is_current": False}  # fmt: skip
    return SimpleNamespace(**{**base, **changes})


def pages() -> dict[str, dict[str, Any]]:
    """Return template name -> context, for every page of the portal."""
    user = {"user": customer_user()}
    upload = {"accepted_endings": ".3mf,.stl,.step", "max_upload_bytes": 100 * 1024 * 1024}
    samples = component_samples()
    quotes = [quote(), quote(pk=41, quote_number="Q-2025-041", status="pending"), quote(status="expired", pk=3)]
    orders = [order(), order(pk=9, order_number="SO-2025-009", status="delivered"), order(pk=7, status="on_hold")]
    filled = QuoteForm({"quantity": "0", "material_type": "PETG", "color_name": "black", "infill_percent": "20"})
    refused = AddressForm({"shipping_name": "Anna", "shipping_country": "US"})
    files = [
        {"pk": 1, "original_filename": "bracket <v2>.3mf", "size_bytes": 1_482_912, "url": "/file/", "mesh_url": "/m/",
         "label": "3D view of bracket <v2>.3mf", "size_mm": "84 × 40 × 22 mm"},
        {"pk": 2, "original_filename": "clip.stl", "size_bytes": 482_912, "url": "/file/2/", "unit": "millimeter"},
    ]  # fmt: skip
    address = {"line1": "1 Harbour Street", "city": "Portland", "state": "OR", "zip": "97201", "country": "US"}
    return {
        "portal/components.html": {**user, **samples},
        "portal/home.html": {**user, **upload, "quotes": quotes, "orders": orders, "nav": "home"},
        "portal/quote_new.html": {
            **user, **upload, "form": filled, "colors": samples["colors"], "can_ask_engineer": True, "nav": "quotes",
        },
        "portal/quote_configure.html": {
            **user, "form": filled, "colors": samples["colors"], "quote": quote(status="draft", promise_reason=""),
            "files": files, "viewer": files[0], "saw": ["Watertight"], "warnings": ["Thin walls."], "price_url": "/p/",
            "slots": [{"color_hex": "1d1d1f"}, {"color_hex": "f7f7f5"}], "nav": "quotes",
            "filaments": [{"material_type": "PLA", "color_hex": "1d1d1f", "grams": Decimal("12.5")}],
            "parts": [{"part": {"name": "Lid <v2>", "size_x_mm": 20, "size_y_mm": 20, "size_z_mm": 2},
                       "field": PartForm()["part"]}],
        },
        "portal/quote_detail.html": {
            **user, "quote": quote(), "can_accept": True, "can_configure": True, "form": AcceptForm(),
            "files": files, "viewer": files[0], "is_waiting": True, "talk_form": TalkForm(), "can_ask_changes": True,
            "ask_url": "/ask/", "comments": [{"at": timezone.now(), "text": "Flat <foot>?", "is_mine": True}],
            "estimate": {"method": "the sliced model", "confidence_percent": Decimal("12.0")},
            "warnings": ["Supports are needed."],
            "actions": [
                {"name": "reject", "label": "Reject", "url": "/reject/", "style": "danger", "needs_reason": True},
            ], "address_form": refused,
            "has_addresses": True, "saw": ["2 parts, 84 × 40 × 22 mm", "Watertight", "12 % overhang: supports added"],
            "pdf_url": "/q.pdf", "share_url": "/share/", "compare_url": "/compare/",
            "timeline": samples["timeline"], "nav": "quotes",
        },
        "portal/quote_share.html": {
            **user, "quote": quote(), "made": "https://shop.example/shared/abc/", "can_share": True,
            "approvers": [{"pk": 3, "user": {"email": "approver@example.com"}}], "nav": "quotes",
            "shares": [{"pk": 7, "created_at": timezone.now(), "times_opened": 3, "last_opened_at": timezone.now(),
                        "expires_at": timezone.now() + dt.timedelta(days=9)}],
        },
        "portal/shared_quote.html": {
            "quote": quote(), "name": "Bracket & clip", "wishes": ["25 sets", "PLA Black"], "here": "/shared/abc/",
            "parts": [{"name": "Bracket <v2>", "quantity": 2, "size_x_mm": 84, "size_y_mm": 40, "size_z_mm": 22}],
            "pictures": [{"url": "/p.png", "alt": "Picture of bracket <v2>.3mf"}],
        },
        "portal/quote_compare.html": {
            **user, "quote": quote(), "qualities": ["draft", "standard", "fine"], "is_complete": False,
            "materials": [[variant(quality="draft"), variant(is_current=True), variant(problem="Too large.")]],
            "quantities": [variant(quantity=1), variant(is_current=True)], "can_take": True, "nav": "quotes",
        },
        "portal/quote_list.html": {
            **user, "page_obj": Paginator(quotes * 20, 25).page(2), "search": "Q-20", "nav": "quotes",
            "filters": [{"label": "Open", "query": "?status=open", "current": True}, {"label": "All", "query": "?"}],
        },
        "portal/order_list.html": {**user, "page_obj": Paginator(orders, 25).page(1), "nav": "orders"},
        "portal/order_detail.html": {
            **user, **order_parts(), "order": order(), "payment_url": "/pay/",
            "steps": order_steps("printing"), "progress": _PROGRESS,
            "timeline": samples["timeline"], "documents": [{"label": "Packing slip", "url": "/ps.pdf"}],
            "nav": "orders",
        },
        "portal/order_pay.html": {**user, "order": order(amount_owed=Decimal("571.44")), "form": AcceptForm()},
        "portal/order_progress.html": {"order": order(), "steps": order_steps("printing"), "progress": _PROGRESS},
        "portal/company.html": {
            **user, "customer": {"name": "Example Works", "customer_number": "C-0042", "terms": "Net 30"},
            "members": [
                {"name": "Anna Example", "email": "anna@example.com", "role": "Admin", "last_login": timezone.now()},
                {"name": "", "email": "ben@example.com", "role": "Buyer", "remove_url": "/remove/"},
            ],
            "addresses": [{**address, "label": "Main works", "is_default": True}, {**address, "label": "Lab"}],
            "can_manage": True, "form": InviteForm(), "address_form": AddressForm(), "nav": "company",
            "invoices": [{"invoice_number": "INV-2025-009", "date": timezone.localdate(), "total": Decimal("571.44"),
                          "status": "paid", "url": "/i.pdf"}],
        },
        "portal/register.html": {"form": RegisterForm({"email": "anna@", "first_name": "Anna"}), "next": "/q/"},
        "portal/login.html": {"form": LoginForm()},
        "portal/password_reset.html": {"form": LoginForm()},
        "portal/password_reset_sent.html": {},
        "portal/password_reset_confirm.html": {"form": LoginForm(), "validlink": True},
        "portal/password_reset_complete.html": {},
        "400.html": {},
        "403.html": {"error": SimpleNamespace(code="PERM_001", message="Only admins of the company invite users.")},
        "403_csrf.html": {},
        "404.html": {},
        "429.html": {},
        "500.html": {"request_id": "8f14e45fceea167a5a36dedd4bea2543"},
    }  # fmt: skip


def mails() -> dict[str, dict[str, Any]]:
    """Return mail name -> context, for every mail."""
    link = {"action_url": "https://shop.example.com/portal/quotes/42/?a=1&b=2"}
    parts = {**link, "what": "Bracket & clip"}
    words = {**link, "who": "Example & Sons", "text": "We have <90> elsewhere.\nCan you match it?"}
    offer = quote(offer_reason="For fifty we can do better.", unit_price=Decimal("9.90"))
    return {
        "quote_ready": {**parts, "quote": quote()},
        "quote_approver": {**parts, "quote": quote(), "asking": "Buyer & Sons"},
        "quote_received": {**parts, "quote": quote(status="pending")},
        "quote_review": {
            **parts,
            "quote": quote(status="pending"),
            "who": "Example & Sons",
            "reasons": "over the approval limit, new customer",
            "approver": "director",
        },
        "quote_word": {**words, "quote": quote(status="pending"), "target": Decimal("9.00")},
        "quote_comment": {**words, "quote": quote()},
        "quote_offer": {**parts, "quote": offer},
        "quote_reminder": {**parts, "quote": quote()},
        "quote_expired": {**parts, "quote": quote(status="expired")},
        "quote_accepted": {**parts, "quote": quote(status="converted", sales_order=order())},
        "quote_rejected": {**link, "quote": quote(status="rejected", review_message="A wall is only 0.1 mm.")},
        "quote_changes": {**link, "quote": quote(status="draft", review_message="Which side is seen?\nWe see none.")},
        "order_confirmed": {**link, "order": order()},
        "order_shipped": {**link, "order": order(), "shipment": order_parts()["shipments"][0]},
        "password_reset": {**link, "email": "anna@example.com"},
        "notice": {
            **link,
            "notice": {
                "subject": "Leonardo: PJ-2026-001 failed",
                "text": "PJ-2026-001 (plate 1, revision 1) failed on Leonardo: 0300_8004 nozzle clogged.",
                "created_at": timezone.now(),
            },
            "rule": {"name": "Failures"},
        },
        "purchase_order": {
            **link,
            "order": {
                "po_number": "PUR-2026-001",
                "vendor": {"contact_name": "Spools & Sons"},
                "total": Decimal("412.40"),
                "currency": "USD",
                "expected_on": timezone.localdate(),
                "message": "Please send two rolls <black> first.",
            },
            "shop_name": "BLB3D",
        },
        "verify_email": link,
    }
