"""Links by which a quote is shown to somebody without an account here: an approver, a colleague."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from quotes.models.quotes import Quote


class QuoteShare(models.Model):
    """A link that shows a quote for reading. Only the token's SHA-256 is kept, so that the table opens no door."""

    quote = models.ForeignKey(Quote, models.CASCADE, related_name="shares")
    token_sha256 = models.CharField(max_length=64, unique=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", help_text="Empty: a guest"
    )
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_opened_at = models.DateTimeField(null=True, blank=True)
    times_opened = models.PositiveIntegerField(default=0)

    class Meta:
        db_table = "quote_shares"
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.quote_id} until {self.expires_at:%Y-%m-%d}"
