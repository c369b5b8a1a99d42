"""Routings: what is done to a product's parts after printing, by revision, and copied into each order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Max

from blb3d.accounts.models import User
from blb3d.core.documents import insert_documents, lock_documents, update_documents
from blb3d.core.errors import InvalidValue
from blb3d.core.verbs import verb
from inventory.models import Product
from production.models import ProductionOperation, ProductionOrder, Routing, RoutingStep, WorkCenter

#: What a step of a routing and an operation of an order have in common.
_COPIED = ("sequence", "name", "work_center_id", "setup_minutes", "minutes_per_unit", "wait_minutes", "instructions")
#: Steps are numbered 10, 20, 30, so that one fits between.
_GAP = 10


@dataclass(frozen=True)
class StepSpec:
    """A step of a routing: what, where, and how long: ``setup_minutes`` a batch, ``minutes_per_unit`` each, and
    ``wait_minutes`` of drying or curing before the next step."""

    name: str
    work_center: WorkCenter
    minutes_per_unit: Decimal = Decimal(0)
    setup_minutes: Decimal = Decimal(0)
    wait_minutes: Decimal = Decimal(0)
    instructions: str = ""


@verb
def set_routing(product: Product, steps: Sequence[StepSpec], *, actor: User, name: str = "standard") -> Routing:
    """Make a new active revision of a product's routing and deactivate the old one; orders keep what they have.

    Raises:
        InvalidValue: there are no steps, one has no name, is printing, or takes negative time.
    """
    if not steps:
        raise InvalidValue("A routing needs a step.", details={"field": "steps"})
    for step in steps:
        _check(step.name, step.work_center, step.setup_minutes, step.minutes_per_unit, step.wait_minutes)
    routing = _new_revision(product, name)
    _insert_steps(
        routing,
        [
            RoutingStep(
                routing=routing,
                sequence=place * _GAP,
                name=step.name.strip(),
                work_center=step.work_center,
                setup_minutes=step.setup_minutes,
                minutes_per_unit=step.minutes_per_unit,
                wait_minutes=step.wait_minutes,
                instructions=step.instructions,
            )
            for place, step in enumerate(steps, start=1)
        ],
    )
    _make_active(routing)
    return routing


@verb
def copy_routing(routing: Routing, *, actor: User) -> Routing:
    """Copy a routing with its steps into a new revision, which is not active until somebody says so."""
    copy = _new_revision(routing.product, routing.name)
    steps = routing.steps.order_by("sequence")
    _insert_steps(
        copy, [RoutingStep(routing=copy, **{name: getattr(step, name) for name in _COPIED}) for step in steps]
    )
    return copy


@verb
def adopt_routing(product: Product, *, template: Product, actor: User) -> Routing | None:
    """Give a product that has no routing the active one of another product; None where there is nothing to do."""
    pattern = Routing.objects.filter(product=template, is_active=True).first()
    lock_documents(Product.objects.filter(pk=product.pk))
    if pattern is None or Routing.objects.filter(product=product).exists():
        return None
    routing = _new_revision(product, pattern.name)
    steps = pattern.steps.order_by("sequence")
    _insert_steps(
        routing, [RoutingStep(routing=routing, **{name: getattr(step, name) for name in _COPIED}) for step in steps]
    )
    _make_active(routing)
    return routing


@verb
def activate_routing(routing: Routing, *, actor: User) -> Routing:
    """Make a revision the one that new orders follow; the one before is not active any more.

    Raises:
        InvalidValue: it has no steps, or a step of it is printing.
    """
    steps = list(routing.steps.select_related("work_center"))
    if not steps:
        raise InvalidValue("A routing needs a step.", details={"field": "steps"})
    for step in steps:
        _check(step.name, step.work_center, step.setup_minutes, step.minutes_per_unit, step.wait_minutes)
    lock_documents(Product.objects.filter(pk=routing.product_id))
    routing.refresh_from_db()
    _make_active(routing)
    return routing


@verb
def deactivate_routing(routing: Routing, *, actor: User) -> Routing:
    """Let new orders of the product be done when they are printed; those under way keep their operations."""
    lock_documents(Product.objects.filter(pk=routing.product_id))
    routing.refresh_from_db()
    if routing.is_active:
        routing.is_active = False
        routing.save()
    return routing


def _check(name: str, work_center: WorkCenter, *minutes: Decimal) -> None:
    if not name.strip():
        raise InvalidValue("Every step has a name.", details={"field": "name"})
    if work_center.kind == WorkCenter.Kind.PRINT:
        raise InvalidValue(
            f"{name}: printing is planned by plates, a routing holds what follows.",
            details={"field": "work_center", "work_center": work_center.code},
        )
    if any(value < 0 for value in minutes):
        raise InvalidValue(f"{name}: times are not negative.", details={"field": "minutes"})


def _new_revision(product: Product, name: str) -> Routing:
    lock_documents(Product.objects.filter(pk=product.pk))
    last = Routing.all_objects.filter(product=product).aggregate(last=Max("revision"))["last"] or 0
    routing = Routing(product=product, revision=last + 1, name=name.strip() or "standard", is_active=False)
    routing.save()
    return routing


def _insert_steps(routing: Routing, steps: Sequence[RoutingStep]) -> None:
    insert_documents(steps, natural_key="sequence", within={"routing": routing})


def _make_active(routing: Routing) -> None:
    others = list(Routing.objects.filter(product=routing.product_id, is_active=True).exclude(pk=routing.pk))
    for other in others:
        other.is_active = False
    update_documents(others, ["is_active"])
    if not routing.is_active:
        routing.is_active = True
        routing.save()


def copy_operations(orders: Sequence[ProductionOrder]) -> list[ProductionOperation]:
    """Give orders the operations of their products' active routings, in a constant number of statements.

    Orders that have operations already keep theirs. Needs a transaction.
    """
    steps: dict[int, list[RoutingStep]] = {}
    rows = RoutingStep.objects.filter(
        routing__is_active=True,
        routing__deleted_at__isnull=True,
        routing__product__in={order.product_id for order in orders},
    ).select_related("routing")
    for step in rows.order_by("sequence"):
        steps.setdefault(step.routing.product_id, []).append(step)
    if not steps:
        return []
    have = set(
        ProductionOperation.objects.filter(production_order__in=orders).values_list("production_order_id", flat=True)
    )
    return insert_documents(
        [
            ProductionOperation(
                production_order=order,
                code=f"{order.code}-{step.sequence}",
                **{name: getattr(step, name) for name in _COPIED},
            )
            for order in orders
            if order.pk not in have
            for step in steps.get(order.product_id, [])
        ],
        natural_key="code",
    )
