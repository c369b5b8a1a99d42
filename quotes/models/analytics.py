"""How quotes went."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from quotes.models.quotes import Quote


class QuoteAnalytics(models.Model):
    """How a quote went: time to price, where the customer stopped, whether it became an order."""

    quote = models.OneToOneField(Quote, models.CASCADE, related_name="analytics")
    time_to_quote_seconds = models.IntegerField(null=True)
    customer_session_duration = models.IntegerField(null=True)
    abandoned_at_step = models.CharField(max_length=50, blank=True, default="")
    converted_to_order = models.BooleanField(default=False)
    conversion_time_hours = models.DecimalField(max_digits=10, decimal_places=2, null=True, default=None)
    recorded_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "quote_analytics"
        verbose_name_plural = "quote analytics"

    def __str__(self) -> str:
        return f"{self.quote_id}"
