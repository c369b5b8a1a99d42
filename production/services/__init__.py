"""What can be done in production; every surface calls these."""

from production.services.clearing import PlateCount, clear_plate, count_printed
from production.services.combining import combine_jobs, combine_waiting
from production.services.defects import add_standard_defects, classify_failure
from production.services.dispatch import (
    Confirmed,
    confirm_suggestions,
    dispatch_job,
    dispatch_next,
    start_production_order,
)
from production.services.groups import print_copies, restrict_job, restrict_order
from production.services.hand import start_by_hand
from production.services.inspection import fail_inspection, pass_inspection
from production.services.links import link
from production.services.material import spread_grams
from production.services.mixing import mix_jobs, mixable_with, unmix_job
from production.services.nonconformance import (
    close_nonconformance,
    contain_nonconformance,
    correct_nonconformance,
    explain_nonconformance,
    verify_nonconformance,
)
from production.services.operations import (
    finish_operation,
    reopen_operation,
    report_operation,
    scrap_units_in_work,
    skip_operation,
    start_operation,
)
from production.services.photos import add_job_photo
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
from production.services.printers import allow_commands, clear_foreign_print, load_slot
from production.services.problems import put_in_service, report_problem, resolve_problem
from production.services.progress import (
    Reached,
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
    record_progress_many,
    record_resumed,
    request_cancel,
    request_pause,
    request_resume,
    requeue_job,
)
from production.services.replenishment import buy_missing, replenish_stock
from production.services.reports import name_job, report_finished, report_job
from production.services.routings import (
    StepSpec,
    activate_routing,
    copy_routing,
    deactivate_routing,
    set_routing,
)
from production.services.scheduling import make_schedule, remove_shift, repair_schedule, touch_schedule
from production.services.screens import add_screen, revoke_screen
from production.services.splitting import (
    change_production_quantity,
    merge_production_orders,
    split_production_order,
    withdraw_demand,
)
from production.services.spools import load_spool, weigh_in
from production.services.upkeep import record_service, take_out_of_service

__all__ = [
    "Confirmed",
    "PlanRequest",
    "PlateCount",
    "Reached",
    "StepSpec",
    "activate_routing",
    "add_job_photo",
    "add_screen",
    "add_standard_defects",
    "allow_commands",
    "begin_job",
    "buy_missing",
    "cancel_production_order",
    "change_production_quantity",
    "classify_failure",
    "clear_foreign_print",
    "clear_plate",
    "close_nonconformance",
    "combine_jobs",
    "combine_waiting",
    "complete_production_order",
    "confirm_production_orders",
    "confirm_suggestions",
    "contain_nonconformance",
    "copy_routing",
    "correct_nonconformance",
    "count_printed",
    "deactivate_routing",
    "decide_job",
    "dispatch_job",
    "dispatch_next",
    "explain_nonconformance",
    "fail_inspection",
    "fail_production_order",
    "finish_operation",
    "flag_job",
    "hold_production_order",
    "link",
    "load_slot",
    "load_spool",
    "lose_job",
    "make_schedule",
    "make_stock_order",
    "merge_production_orders",
    "mix_jobs",
    "mixable_with",
    "name_job",
    "pass_inspection",
    "plan_production_orders",
    "print_copies",
    "prioritise_production_order",
    "put_in_service",
    "queue_production_order",
    "record_cancelled",
    "record_failed",
    "record_finished",
    "record_material_used",
    "record_paused",
    "record_progress",
    "record_progress_many",
    "record_resumed",
    "record_service",
    "release_production_order_hold",
    "remove_shift",
    "reopen_operation",
    "repair_schedule",
    "replenish_stock",
    "report_finished",
    "report_job",
    "report_operation",
    "report_problem",
    "request_cancel",
    "request_pause",
    "request_resume",
    "requeue_job",
    "requeue_missing_parts",
    "resolve_problem",
    "restrict_job",
    "restrict_order",
    "retry_production_order",
    "revoke_screen",
    "scrap_units_in_work",
    "set_routing",
    "skip_operation",
    "split_production_order",
    "spread_grams",
    "start_by_hand",
    "start_operation",
    "start_production_order",
    "take_out_of_service",
    "touch_schedule",
    "unmix_job",
    "verify_nonconformance",
    "weigh_in",
    "withdraw_demand",
]
