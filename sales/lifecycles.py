"""Legal status moves of sales orders, shipments and payments."""

from blb3d.core.lifecycle import Lifecycle, Step
from sales.models import Payment, SalesOrder, Shipment

_ORDER = "sales.{}_salesorder".format
SALES_ORDER = Lifecycle(
    SalesOrder,
    initial=(SalesOrder.Status.PENDING,),
    number="order_number",
    steps=[
        Step("confirm", ("pending",), ("confirmed",), "sales.order_confirmed", _ORDER("confirm"), style="primary"),
        Step("start", ("confirmed",), ("in_production",), "sales.order_started"),
        Step("finish_production", ("confirmed", "in_production"), ("quality_check",), "sales.order_ready"),
        Step("ship", ("quality_check",), ("shipped",), "sales.order_shipped"),
        Step("deliver", ("shipped",), ("delivered",), "sales.order_delivered", _ORDER("deliver"), style="primary"),
        Step("complete", ("delivered",), ("completed",), "sales.order_completed", _ORDER("complete"), style="primary"),
        Step(
            "hold",
            ("pending", "confirmed", "in_production", "quality_check"),
            ("on_hold",),
            "sales.order_held",
            _ORDER("hold"),
            reason_required=True,
        ),
        Step(
            "resume",
            ("on_hold",),
            ("pending", "confirmed", "in_production", "quality_check"),
            "sales.order_resumed",
            _ORDER("resume"),
            style="primary",
        ),
        Step(
            "cancel",
            ("pending", "confirmed", "in_production", "on_hold"),
            ("cancelled",),
            "sales.order_cancelled",
            _ORDER("cancel"),
            reason_required=True,
            style="danger",
        ),
    ],
)

_SHIPMENT = "sales.{}_shipment".format
SHIPMENT = Lifecycle(
    Shipment,
    initial=(Shipment.Status.DRAFT,),
    number="shipment_number",
    steps=[
        Step("pack", ("draft",), ("packed",), "sales.shipment_packed", _SHIPMENT("pack"), style="primary"),
        Step("ship", ("packed",), ("shipped",), "sales.shipment_shipped", _SHIPMENT("ship"), style="primary"),
        Step("deliver", ("shipped",), ("delivered",), "sales.shipment_delivered", _SHIPMENT("deliver")),
        Step("void", ("draft", "packed"), ("voided",), None, _SHIPMENT("void"), reason_required=True, style="danger"),
    ],
)

PAYMENT = Lifecycle(
    Payment,
    initial=(Payment.Status.INTENDED, Payment.Status.RECEIVED),
    steps=[
        Step("receive", ("intended",), ("received",), None, "sales.receive_payment"),
        Step("decline", ("intended",), ("declined",), "sales.payment_declined", "sales.decline_payment"),
    ],
)
