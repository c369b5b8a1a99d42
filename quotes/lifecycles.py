"""Legal status moves of quotes."""

from blb3d.core.lifecycle import Lifecycle, Step
from quotes.models import Quote

_QUOTE = "quotes.{}_quote".format
QUOTE = Lifecycle(
    Quote,
    initial=(Quote.Status.DRAFT,),
    number="quote_number",
    steps=[
        Step(
            "submit",
            ("draft",),
            ("pending", "approved"),
            "quotes.quote_submitted",
            _QUOTE("submit"),
            by_customer=True,
            style="primary",
        ),
        Step("approve", ("pending",), ("approved",), "quotes.quote_approved", _QUOTE("approve"), style="primary"),
        Step(
            "request_changes",
            ("pending",),
            ("draft",),
            "quotes.changes_requested",
            _QUOTE("request_changes"),
            reason_required=True,
        ),
        Step(
            "offer",
            ("pending", "approved"),
            ("approved", "pending"),
            "quotes.price_offered",
            _QUOTE("offer"),
            reason_required=True,
            label="Offer a price",
        ),
        Step(
            "ask_changes",
            ("pending", "approved"),
            ("pending",),
            "quotes.changes_asked",
            by_customer=True,
            reason_required=True,
            label="Ask for changes",
        ),
        Step(
            "accept",
            ("approved",),
            ("accepted",),
            "quotes.quote_accepted",
            _QUOTE("accept"),
            by_customer=True,
            style="primary",
        ),
        Step(
            "convert",
            ("accepted",),
            ("converted",),
            "quotes.quote_converted",
            _QUOTE("convert"),
            by_customer=True,
            label="Order",
            style="primary",
        ),
        Step(
            "reject",
            ("pending", "approved"),
            ("rejected",),
            "quotes.quote_rejected",
            _QUOTE("reject"),
            by_customer=True,
            style="danger",
        ),
        Step(
            "cancel",
            ("draft", "pending", "approved"),
            ("cancelled",),
            "quotes.quote_cancelled",
            _QUOTE("cancel"),
            by_customer=True,
            style="danger",
        ),
        Step("expire", ("draft", "pending", "approved"), ("expired",), "quotes.quote_expired"),
    ],
)
