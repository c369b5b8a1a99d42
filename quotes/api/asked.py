"""What callers send about quotes, and by what they look for them."""

from __future__ import annotations

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from rest_framework import serializers

from blb3d.core.api.serializers import StrictSerializer
from quotes.models import Quote
from quotes.services.comments import LONGEST
from sales.api.orders import AddressedSerializer
from sales.pricing import MAX_QUANTITY

_PRICE = {"max_digits": 12, "decimal_places": 2, "min_value": 0}


class OptionalBooleanField(serializers.BooleanField):
    """A yes or no whose default also holds where a form leaves it out, which is else taken for a no."""

    default_empty_html = serializers.empty


class WishesSerializer(StrictSerializer):
    """What a customer may choose."""

    material_type = serializers.CharField(max_length=20)
    color = serializers.CharField(max_length=60, required=False, allow_blank=True)
    quantity = serializers.IntegerField(min_value=1, max_value=MAX_QUANTITY)
    quality = serializers.ChoiceField(choices=Quote.Quality.choices, required=False)
    infill_percent = serializers.IntegerField(min_value=0, max_value=100, required=False)
    finish = serializers.ChoiceField(choices=Quote.Finish.choices, required=False)
    rush = serializers.ChoiceField(choices=Quote.Rush.choices, required=False)
    product_name = serializers.CharField(max_length=200, required=False)
    special_instructions = serializers.CharField(max_length=5000, required=False, allow_blank=True)
    customer_po_number = serializers.CharField(max_length=60, required=False, allow_blank=True)
    is_under_nda = OptionalBooleanField(required=False)


class NewQuoteSerializer(WishesSerializer):
    files = serializers.ListField(
        child=serializers.FileField(allow_empty_file=True), help_text="One or many model files."
    )
    unit = serializers.ChoiceField(
        choices=["mm", "inch"], required=False, allow_blank=True, help_text="Of STL files, which name none."
    )
    submit = OptionalBooleanField(default=True, help_text="Off: the quote stays a draft that can be changed.")
    customer_id = serializers.IntegerField(required=False, help_text="Staff only: for whom the quote is.")


class PaymentSerializer(StrictSerializer):
    method = serializers.CharField(max_length=30, help_text="card, or bank_transfer")
    token = serializers.CharField(max_length=200, required=False, default="", allow_blank=True)


class AcceptSerializer(AddressedSerializer):
    kinds = ("shipping", "billing")
    customer_po_number = serializers.CharField(max_length=60, required=False, default="", allow_blank=True)
    payment = PaymentSerializer(required=False)


class ConvertSerializer(AddressedSerializer):
    kinds = ("shipping", "billing")
    customer_po_number = serializers.CharField(max_length=60, required=False, default="", allow_blank=True)


class OptionalReasonSerializer(StrictSerializer):
    reason = serializers.CharField(max_length=1000, required=False, default="", allow_blank=True)


class CommentsSerializer(StrictSerializer):
    comments = serializers.CharField(max_length=1000, required=False, default="", allow_blank=True)


class CommentSerializer(StrictSerializer):
    text = serializers.CharField(max_length=LONGEST)
    is_internal = OptionalBooleanField(default=False, help_text="Staff only: the customer never sees it.")


class AskChangesSerializer(StrictSerializer):
    text = serializers.CharField(max_length=LONGEST, help_text="What should be different.")
    target_unit_price = serializers.DecimalField(required=False, allow_null=True, default=None, **_PRICE)


class OfferSerializer(StrictSerializer):
    unit_price = serializers.DecimalField(**_PRICE)
    reason = serializers.CharField(max_length=500, help_text="The customer reads it.")


class QuoteFilter(filters.FilterSet):
    needs_review = filters.BooleanFilter(method="by_review", label="Waits for a person's review")
    created_from = filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="gte")
    created_before = filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="lt")

    class Meta:
        model = Quote
        fields = ("status", "material_type", "customer", "customer_po_number")

    def by_review(self, rows: QuerySet[Quote], name: str, value: bool) -> QuerySet[Quote]:
        """Choose the quotes under review, or all others."""
        return rows.filter(status=Quote.Status.PENDING) if value else rows.exclude(status=Quote.Status.PENDING)
