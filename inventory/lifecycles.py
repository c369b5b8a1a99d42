"""Legal status moves of lots and purchase orders."""

from blb3d.core.lifecycle import Lifecycle, Step
from inventory.models import (
    CycleCount,
    ImportBatch,
    MaterialLot,
    PurchaseOrder,
    PurchaseRequisition,
    StockPeriod,
    VendorBill,
    VendorReturn,
)

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

STOCK_PERIOD = Lifecycle(
    StockPeriod,
    initial=(StockPeriod.Status.OPEN,),
    steps=[
        Step(
            "close",
            ("open",),
            ("closed",),
            "inventory.period_closed",
            "inventory.close_stockperiod",
            style="primary",
        ),
        Step(
            "reopen",
            ("closed",),
            ("open",),
            "inventory.period_reopened",
            "inventory.reopen_stockperiod",
            reason_required=True,
            label="Open again",
            style="danger",
        ),
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

REQUISITION = Lifecycle(
    PurchaseRequisition,
    initial=(PurchaseRequisition.Status.OPEN,),
    number="number",
    steps=[
        Step("order", ("open",), ("ordered",), None, "inventory.order_purchaserequisition", style="primary"),
        # Its order was cancelled.
        Step("reopen", ("ordered",), ("open",)),
        Step(
            "refuse",
            ("open",),
            ("refused",),
            "inventory.requisition_refused",
            "inventory.refuse_purchaserequisition",
            reason_required=True,
        ),
    ],
)

VENDOR_RETURN = Lifecycle(
    VendorReturn,
    initial=(VendorReturn.Status.SENT,),
    number="number",
    steps=[Step("credit", ("sent",), ("credited",), None, "inventory.credit_vendorreturn", style="primary")],
)

_BILL = "inventory.{}_vendorbill".format
VENDOR_BILL = Lifecycle(
    VendorBill,
    initial=(VendorBill.Status.ENTERED,),
    number="number",
    steps=[
        Step("match", ("entered", "matched", "disputed"), ("matched", "disputed"), None, _BILL("match")),
        Step(
            "approve",
            ("matched", "disputed"),
            ("approved",),
            "inventory.vendor_bill_approved",
            _BILL("approve"),
            style="primary",
        ),
        Step("pay", ("approved",), ("paid",), "inventory.vendor_bill_paid", _BILL("pay"), label="Record the payment"),
        Step(
            "cancel",
            ("entered", "matched", "disputed"),
            ("cancelled",),
            None,
            _BILL("cancel"),
            reason_required=True,
            style="danger",
        ),
    ],
)

_COUNT = "inventory.{}_cyclecount".format
CYCLE_COUNT = Lifecycle(
    CycleCount,
    initial=(CycleCount.Status.DRAFT,),
    number="count_number",
    steps=[
        Step(
            "start", ("draft",), ("counting",), "inventory.count_started", _COUNT("start"), label="Start counting",
            style="primary",
        ),
        Step(
            "submit", ("counting",), ("submitted",), "inventory.count_submitted", _COUNT("submit"), style="primary",
        ),
        Step("recount", ("submitted",), ("counting",), None, _COUNT("recount"), label="Count again"),
        Step(
            "approve", ("submitted",), ("approved",), "inventory.count_approved", _COUNT("approve"),
            label="Approve and book", style="primary",
        ),
        Step(
            "cancel", ("draft", "counting", "submitted"), ("cancelled",), None, _COUNT("cancel"), reason_required=True,
            style="danger",
        ),
    ],
)  # fmt: skip

IMPORT = Lifecycle(
    ImportBatch,
    initial=(ImportBatch.Status.PREVIEWED,),
    number="file_name",
    steps=[
        Step(
            "apply",
            ("previewed",),
            ("applied",),
            "inventory.import_applied",
            "inventory.apply_importbatch",
            style="primary",
        ),
        Step("discard", ("previewed",), ("discarded",), None, "inventory.discard_importbatch"),
    ],
)
