"""Legal status moves of production orders, operations, print jobs, nonconformances and firm planned orders."""

from blb3d.core.lifecycle import Lifecycle, Step
from production.models import FirmOrder, Nonconformance, PrintJob, ProductionOperation, ProductionOrder

_ORDER = "production.{}_productionorder".format
PRODUCTION_ORDER = Lifecycle(
    ProductionOrder,
    initial=(ProductionOrder.Status.DRAFT,),
    number="code",
    steps=[
        Step("confirm", ("draft",), ("confirmed",), "production.order_confirmed", _ORDER("confirm"), style="primary"),
        Step("queue", ("confirmed",), ("queued",), "production.order_queued", _ORDER("queue"), style="primary"),
        Step("start", ("queued",), ("printing",), "production.order_started"),
        Step(
            "complete",
            ("printing", "queued"),
            ("completed",),
            "production.order_completed",
            _ORDER("complete"),
            label="Close",
        ),
        Step(
            "fail",
            ("queued", "printing"),
            ("failed",),
            "production.order_failed",
            _ORDER("fail"),
            reason_required=True,
            style="danger",
        ),
        Step("retry", ("failed",), ("queued",), "production.order_retried", _ORDER("retry"), style="primary"),
        Step(
            "cancel",
            ("draft", "confirmed", "queued", "failed"),
            ("cancelled",),
            "production.order_cancelled",
            _ORDER("cancel"),
            reason_required=True,
            style="danger",
        ),
    ],
)

_JOB = "production.{}_printjob".format
PRINT_JOB = Lifecycle(
    PrintJob,
    initial=(PrintJob.Status.QUEUED,),
    number="code",
    steps=[
        Step(
            "send",
            ("queued",),
            ("sent",),
            "production.job_dispatched",
            _JOB("dispatch"),
            label="Dispatch",
            style="primary",
        ),
        Step("requeue", ("sent",), ("queued",), "production.job_requeued"),
        Step("begin", ("sent", "queued"), ("printing",), "production.job_started"),
        Step("pause", ("printing",), ("paused",), "production.job_paused", _JOB("pause")),
        Step("resume", ("paused",), ("printing",), "production.job_resumed", _JOB("resume")),
        Step("finish", ("sent", "printing", "paused", "unknown"), ("finished",), "production.job_finished"),
        Step(
            "fail",
            ("sent", "printing", "paused", "unknown"),
            ("failed",),
            "production.job_failed",
            _JOB("fail"),
            reason_required=True,
            style="danger",
        ),
        Step(
            "cancel",
            ("queued", "sent", "printing", "paused", "unknown"),
            ("cancelled",),
            "production.job_cancelled",
            _JOB("cancel"),
            reason_required=True,
            style="danger",
        ),
        Step("lose", ("sent", "printing", "paused"), ("unknown",), "production.job_lost"),
    ],
)

_OPERATION = "production.{}_productionoperation".format
PRODUCTION_OPERATION = Lifecycle(
    ProductionOperation,
    initial=(ProductionOperation.Status.PENDING,),
    number="code",
    steps=[
        Step("start", ("pending",), ("running",), "production.operation_started", _OPERATION("start"), style="primary"),
        Step("finish", ("pending", "running"), ("done",), "production.operation_finished", _OPERATION("report")),
        Step(
            "skip",
            ("pending", "running"),
            ("skipped",),
            "production.operation_skipped",
            _OPERATION("skip"),
            reason_required=True,
            style="danger",
        ),
        Step("reopen", ("done", "skipped", "cancelled"), ("pending",), None, _OPERATION("reopen")),
        Step("cancel", ("pending", "running"), ("cancelled",)),
    ],
)

_CHANGE_NCR = "production.change_nonconformance"
NONCONFORMANCE = Lifecycle(
    Nonconformance,
    initial=(Nonconformance.Status.OPEN,),
    number="ncr_number",
    steps=[
        Step("contain", ("OPEN",), ("CONTAINED",), "production.nonconformance_contained", _CHANGE_NCR, style="primary"),
        Step("explain", ("CONTAINED",), ("ROOT_CAUSE",), None, _CHANGE_NCR, label="Root cause found", style="primary"),
        Step("correct", ("ROOT_CAUSE",), ("CORRECTED",), None, _CHANGE_NCR, style="primary"),
        Step("verify", ("CORRECTED",), ("VERIFIED",), None, _CHANGE_NCR, reason_required=True, style="primary"),
        Step("close", ("VERIFIED",), ("CLOSED",), "production.nonconformance_closed", _CHANGE_NCR, style="primary"),
    ],
)

_FIRM = "production.{}_firmorder".format
FIRM_ORDER = Lifecycle(
    FirmOrder,
    initial=(FirmOrder.Status.FIRM,),
    number="number",
    steps=[
        Step("release", ("firm",), ("released",), "production.firm_order_released", _FIRM("release"), style="primary"),
        Step("drop", ("firm",), ("dropped",), "production.firm_order_dropped", _FIRM("drop"), style="danger"),
    ],
)
