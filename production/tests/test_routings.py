"""Routings by revision, and the reasons that a new farm starts with."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from blb3d.core.errors import InvalidTransition, InvalidValue
from inventory.tests.factories import system_actor
from production import services as production
from production.defect_reasons import STANDARD_DEFECTS
from production.models import DefectReason, ProductionOperation, Routing, RoutingStep, WorkCenter
from production.tests.factories import (
    black_pla,
    confirmed,
    finished,
    printable,
    printing,
    queued,
    routed,
    stock,
    work_center,
)

pytestmark = pytest.mark.django_db

Step = production.StepSpec


def test_a_new_routing_replaces_the_active_one_and_counts_its_revision() -> None:
    product = printable()
    first = routed(product, "paint")
    second = routed(product, "paint", "pack")
    first.refresh_from_db()
    assert (first.revision, first.is_active) == (1, False)
    assert (second.revision, second.is_active) == (2, True)
    assert [step.sequence for step in second.steps.all()] == [10, 20]
    assert first.history.first().history_type == "~"
    assert RoutingStep.history.filter(routing=second).count() == 2


def test_the_database_holds_one_active_routing_per_product() -> None:
    product = printable()
    routed(product, "paint")
    other = production.copy_routing(routed(product, "pack"), actor=system_actor())
    with pytest.raises(IntegrityError), transaction.atomic():
        Routing.objects.filter(pk=other.pk).update(is_active=True)


def test_a_copy_is_a_revision_of_its_own_that_waits_to_be_activated() -> None:
    product = printable()
    first = routed(product, "post_process", "paint")
    copy = production.copy_routing(first, actor=system_actor())
    assert (copy.revision, copy.is_active) == (2, False)
    assert [step.name for step in copy.steps.order_by("sequence")] == ["post-processing", "painting"]
    copy.steps.filter(sequence=20).delete()
    assert first.steps.count() == 2
    production.activate_routing(copy, actor=system_actor())
    order = confirmed(product)
    assert [row.name for row in order.operations.all()] == ["post-processing"]
    production.activate_routing(first, actor=system_actor())
    assert list(Routing.objects.filter(product=product, is_active=True)) == [first]


def test_without_an_active_routing_an_order_has_no_operations() -> None:
    product = printable()
    production.deactivate_routing(routed(product, "paint"), actor=system_actor())
    assert not confirmed(product).operations.exists()


@pytest.mark.parametrize(
    "step",
    [
        {"name": " "},
        {"minutes_per_unit": Decimal(-1)},
        {"setup_minutes": Decimal(-1)},
        {"wait_minutes": Decimal(-1)},
        {"work_center": "print"},
    ],
)
def test_a_step_without_sense_is_refused(step: dict[str, object]) -> None:
    given = {"name": "Paint", "work_center": work_center("paint"), **step}
    if given["work_center"] == "print":
        given["work_center"] = WorkCenter.objects.create(code="PR", name="Printing", kind="print")
    with pytest.raises(InvalidValue):
        production.set_routing(printable(), [Step(**given)], actor=system_actor())
    assert not Routing.objects.exists()


def test_a_routing_without_steps_is_neither_made_nor_activated() -> None:
    product = printable()
    with pytest.raises(InvalidValue):
        production.set_routing(product, [], actor=system_actor())
    empty = Routing.objects.create(product=product, is_active=False)
    with pytest.raises(InvalidValue):
        production.activate_routing(empty, actor=system_actor())


def test_the_page_of_a_step_refuses_negative_times_too() -> None:
    routing = routed(printable(), "paint")
    step = routing.steps.get()
    step.wait_minutes = Decimal(-5)
    with pytest.raises(ValidationError):
        step.full_clean()


def test_operations_of_orders_that_wait_for_each_other_keep_their_codes_apart() -> None:
    product = printable()
    routed(product, "paint", "pack")
    orders = [confirmed(product) for _ in range(2)]
    codes = set(ProductionOperation.objects.values_list("code", flat=True))
    assert codes == {f"{order.code}-{sequence}" for order in orders for sequence in (10, 20)}


def test_the_usual_defects_are_added_once_and_what_the_farm_changed_stays() -> None:
    production.add_standard_defects(actor=system_actor())  # a migrated database has them already
    assert DefectReason.objects.count() == len(STANDARD_DEFECTS) == 10
    DefectReason.objects.filter(code="stringing").update(name="Hairs")
    assert production.add_standard_defects(actor=system_actor()) == []
    assert DefectReason.objects.get(code="stringing").name == "Hairs"


def test_only_what_failed_is_put_down_to_a_defect() -> None:
    production.add_standard_defects(actor=system_actor())
    spaghetti = DefectReason.objects.get(code="spaghetti")
    stock(black_pla())
    _, [failed, good] = queued(printable(), 2)
    printing(failed)
    production.record_failed(failed, code="", text="", progress_percent=10, actor=system_actor())
    production.classify_failure(failed, defect=spaghetti, actor=system_actor(), reason="seen on the photo")
    failed.refresh_from_db()
    assert failed.defect == spaghetti
    assert failed.history.first().history_change_reason == "seen on the photo"
    finished(good)
    with pytest.raises(InvalidTransition):
        production.classify_failure(good, defect=spaghetti, actor=system_actor())
