"""What can be done in production; every surface calls these."""

from production.services.clearing import PlateCount, clear_plate, count_printed
from production.services.combining import combine_jobs
from production.services.dispatch import dispatch_job, dispatch_next, start_production_order
from production.services.inspection import fail_inspection, pass_inspection
from production.services.links import link
from production.services.material import spread_grams
from production.services.planning import (
    PlanRequest,
    cancel_production_order,
    complete_production_order,
    confirm_production_orders,
    fail_production_order,
    hold_production_order,
    make_stock_order,
    plan_production_orders,
    prioritise_production_order,
    queue_production_order,
    release_production_order_hold,
    requeue_missing_parts,
    retry_production_order,
)
from production.services.printers import load_slot
from production.services.progress import (
    begin_job,
    decide_job,
    flag_job,
    lose_job,
    record_cancelled,
    record_failed,
    record_finished,
    record_material_used,
    record_paused,
    record_progress,
    record_resumed,
    request_cancel,
    request_pause,
    request_resume,
    requeue_job,
)
from production.services.reports import name_job, report_finished, report_job

__all__ = [
    "PlanRequest",
    "PlateCount",
    "begin_job",
    "cancel_production_order",
    "clear_plate",
    "combine_jobs",
    "complete_production_order",
    "confirm_production_orders",
    "count_printed",
    "decide_job",
    "dispatch_job",
    "dispatch_next",
    "fail_inspection",
    "fail_production_order",
    "flag_job",
    "hold_production_order",
    "link",
    "load_slot",
    "lose_job",
    "make_stock_order",
    "name_job",
    "pass_inspection",
    "plan_production_orders",
    "prioritise_production_order",
    "queue_production_order",
    "record_cancelled",
    "record_failed",
    "record_finished",
    "record_material_used",
    "record_paused",
    "record_progress",
    "record_resumed",
    "release_production_order_hold",
    "report_finished",
    "report_job",
    "request_cancel",
    "request_pause",
    "request_resume",
    "requeue_job",
    "requeue_missing_parts",
    "retry_production_order",
    "spread_grams",
    "start_production_order",
]
