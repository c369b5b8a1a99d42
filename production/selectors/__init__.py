"""What production can tell: where orders stand, why jobs wait, what must be bought, where a part came from."""

from production.selectors.farm import Farm, farm_in_service
from production.selectors.fleet import dispatch_suggestions, hand_starts, plan_dispatch
from production.selectors.mrp import Requirement, material_requirements
from production.selectors.progress import Progress, missing_by_plate, order_progress
from production.selectors.trace import trace_lot, trace_serial
from production.selectors.waiting import order_waiting_reasons, plates_without_file, waiting_reason, waiting_reasons

__all__ = [
    "Farm",
    "Progress",
    "Requirement",
    "dispatch_suggestions",
    "farm_in_service",
    "hand_starts",
    "material_requirements",
    "missing_by_plate",
    "order_progress",
    "order_waiting_reasons",
    "plan_dispatch",
    "plates_without_file",
    "trace_lot",
    "trace_serial",
    "waiting_reason",
    "waiting_reasons",
]
