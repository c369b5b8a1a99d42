"""Who decided about a quote, and what was said about it."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from quotes.models.quotes import Quote


class QuoteApproval(models.Model):
    """A rule that a quote hit, and who decided at which level."""

    class Rule(models.TextChoices):
        OVER_500 = "OVER_500", "over the approval limit"
        NEW_CUSTOMER = "NEW_CUSTOMER", "new customer"
        CUSTOM_MATERIAL = "CUSTOM_MATERIAL", "material not in the catalogue"
        HAS_INSTRUCTIONS = "HAS_INSTRUCTIONS", "special instructions"
        LOW_CONFIDENCE = "LOW_CONFIDENCE", "uncertain estimate"
        BELOW_COST = "BELOW_COST", "below cost"
        AGREED_PRICE = "AGREED_PRICE", "price by hand"
        CUSTOMER_ASKED = "CUSTOMER_ASKED", "customer asks for changes"

    class Status(models.TextChoices):
        PENDING = "PENDING", "pending"
        APPROVED = "APPROVED", "approved"
        REJECTED = "REJECTED", "rejected"

    quote = models.ForeignKey(Quote, models.CASCADE, related_name="approvals")
    approval_level = models.PositiveSmallIntegerField(help_text="1 manager, 2 director, 3 owner")
    required_when = models.CharField(max_length=50, choices=Rule.choices)
    approver = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.PENDING)
    approved_date = models.DateTimeField(null=True, blank=True)
    comments = models.CharField(max_length=1000, blank=True, default="")

    class Meta:
        db_table = "quote_approvals"
        ordering = ["id"]
        indexes = [models.Index(fields=["quote", "status"], name="idx_approval_status")]

    def __str__(self) -> str:
        return f"{self.required_when} level {self.approval_level}: {self.status}"


class QuoteComment(models.Model):
    """What customer or staff said about a quote; an internal one is never shown to the customer."""

    quote = models.ForeignKey(Quote, models.CASCADE, related_name="comments")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    text = models.CharField(max_length=2000)
    is_internal = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "quote_comments"
        ordering = ["id"]

    def __str__(self) -> str:
        return self.text[:60]
