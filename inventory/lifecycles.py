"""Legal status moves of lots and purchase orders."""

from blb3d.core.lifecycle import Lifecycle, Step
from inventory.models import MaterialLot, PurchaseOrder

LOT = Lifecycle(
    MaterialLot,
    initial=(MaterialLot.Status.QUARANTINE, MaterialLot.Status.ACTIVE),
    number="lot_number",
    steps=[
        Step("release", ("QUARANTINE",), ("ACTIVE",), "inventory.lot_released", "inventory.release_materiallot"),
        Step(
            "quarantine",
            ("ACTIVE",),
            ("QUARANTINE",),
            "inventory.lot_quarantined",
            "inventory.quarantine_materiallot",
            reason_required=True,
        ),
        Step("deplete", ("ACTIVE",), ("DEPLETED",)),
        Step("reopen", ("DEPLETED",), ("ACTIVE",)),
        Step("expire", ("ACTIVE", "QUARANTINE"), ("EXPIRED",), "inventory.lot_expired", "inventory.expire_materiallot"),
    ],
)

_PO = "inventory.{}_purchaseorder".format
PURCHASE_ORDER = Lifecycle(
    PurchaseOrder,
    initial=(PurchaseOrder.Status.DRAFT,),
    number="po_number",
    steps=[
        Step("order", ("draft",), ("ordered",), "inventory.purchase_ordered", _PO("order"), style="primary"),
        Step(
            "receive",
            ("ordered", "partially_received"),
            ("partially_received", "received"),
            "inventory.purchase_received",
            _PO("receive"),
        ),
        Step("close_short", ("partially_received",), ("closed_short",), None, _PO("close_short"), reason_required=True),
        Step("cancel", ("draft", "ordered"), ("cancelled",), None, _PO("cancel"), reason_required=True, style="danger"),
    ],
)
