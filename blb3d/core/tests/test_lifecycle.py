"""A status moves only through its lifecycle, once, with history and fact."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction

from blb3d.accounts.models import User
from blb3d.core.documents import lock_documents
from blb3d.core.errors import InvalidTransition, NotFound, ReasonRequired, StatusChangedOutsideLifecycle
from blb3d.core.lifecycle import Lifecycle
from blb3d.core.outbox import OutboxEvent
from inventory.lifecycles import LOT, PURCHASE_ORDER
from inventory.models import MaterialLot, PurchaseOrder, Vendor

pytestmark = pytest.mark.django_db


def take(document: Any, name: str, actor: User, **kwargs: Any) -> None:
    with transaction.atomic(), type(document).lifecycle.step(document, name, actor=actor, **kwargs):
        pass


def test_a_step_sets_the_target_and_writes_history_with_user_and_reason(lot: MaterialLot, clerk: User) -> None:
    take(lot, "quarantine", clerk, reason="wet box")
    lot.refresh_from_db()
    assert lot.status == "QUARANTINE"
    assert lot.version == 2
    row = lot.history.first()
    assert (row.status, row.history_user, row.history_change_reason) == ("QUARANTINE", clerk, "wet box")


def test_a_step_writes_its_fact_in_the_same_transaction(lot: MaterialLot, clerk: User) -> None:
    take(lot, "quarantine", clerk, reason="wet box")
    event = OutboxEvent.objects.get()
    assert (event.topic, event.key) == ("inventory.lot_quarantined", f"inventory.materiallot:{lot.pk}")
    assert event.payload == {"id": lot.pk, "from": "ACTIVE", "to": "QUARANTINE", "number": "L-1"}


def test_an_error_in_the_block_leaves_nothing_behind(lot: MaterialLot, clerk: User) -> None:
    with pytest.raises(RuntimeError), transaction.atomic(), LOT.step(lot, "expire", actor=clerk):
        raise RuntimeError
    lot.refresh_from_db()
    assert lot.status == "ACTIVE"
    assert lot.history.count() == 1
    assert not OutboxEvent.objects.exists()


def test_it_refuses_a_step_that_is_not_legal_and_names_those_that_are(lot: MaterialLot, clerk: User) -> None:
    with pytest.raises(InvalidTransition) as refusal:
        take(lot, "release", clerk)
    assert refusal.value.details["allowed"] == ["quarantine", "deplete", "expire"]
    lot.refresh_from_db()
    assert (lot.status, lot.version) == ("ACTIVE", 1)


def test_it_reads_the_status_from_the_database_not_from_a_stale_instance(lot: MaterialLot, clerk: User) -> None:
    stale = MaterialLot.objects.get(pk=lot.pk)
    take(lot, "expire", clerk)
    with pytest.raises(InvalidTransition):
        take(stale, "expire", clerk)
    assert OutboxEvent.objects.count() == 1


def test_it_refuses_a_document_that_does_not_exist(clerk: User) -> None:
    with pytest.raises(NotFound):
        take(MaterialLot(pk=999), "expire", clerk)


@pytest.mark.parametrize("reason", ["", "   "])
def test_it_refuses_a_missing_reason(lot: MaterialLot, clerk: User, reason: str) -> None:
    with pytest.raises(ReasonRequired):
        take(lot, "quarantine", clerk, reason=reason)


def test_a_status_assigned_by_hand_is_refused(lot: MaterialLot) -> None:
    lot.status = "EXPIRED"
    with pytest.raises(StatusChangedOutsideLifecycle):
        lot.save()
    with pytest.raises(StatusChangedOutsideLifecycle):
        MaterialLot.objects.update(status="EXPIRED")
    with pytest.raises(StatusChangedOutsideLifecycle):
        MaterialLot.objects.bulk_update([lot], ["status"])
    with pytest.raises(StatusChangedOutsideLifecycle):
        MaterialLot(lot_number="L-2", product=lot.product, status="DEPLETED").save()
    lot.refresh_from_db()
    assert lot.status == "ACTIVE"


def test_a_step_with_several_targets_takes_the_one_that_is_chosen(clerk: User) -> None:
    order = PurchaseOrder.objects.create(po_number="PUR-1", vendor=Vendor.objects.create(code="V", name="V"))
    take(order, "order", clerk)
    with transaction.atomic(), PURCHASE_ORDER.step(order, "receive", actor=clerk) as move:
        move.to("received")
        with pytest.raises(ValueError, match="cannot lead to draft"):
            move.to("draft")
    order.refresh_from_db()
    assert order.status == "received"


def test_many_documents_move_in_a_constant_number_of_statements(clerk: User, django_assert_num_queries: Any) -> None:
    vendor = Vendor.objects.create(code="V", name="V")
    for count in (2, 20):
        orders = [PurchaseOrder.objects.create(po_number=f"P-{count}-{n}", vendor=vendor) for n in range(count)]
        with (
            transaction.atomic(),
            django_assert_num_queries(5),
            PURCHASE_ORDER.step_many(orders, "order", actor=clerk) as move,
        ):
            move.set(notes="together")
        assert {(order.status, order.notes, order.version) for order in orders} == {("ordered", "together", 2)}
        for order in PurchaseOrder.objects.filter(pk__in=[order.pk for order in orders]):
            assert (order.status, order.notes, order.version) == ("ordered", "together", 2)
            assert order.history.first().history_user == clerk


def test_many_documents_move_all_or_none(clerk: User) -> None:
    vendor = Vendor.objects.create(code="V", name="V")
    orders = [PurchaseOrder.objects.create(po_number=f"P-{n}", vendor=vendor) for n in range(3)]
    take(orders[1], "cancel", clerk, reason="not needed")
    with (
        pytest.raises(InvalidTransition) as refusal,
        transaction.atomic(),
        PURCHASE_ORDER.step_many(orders, "order", actor=clerk),
    ):
        raise AssertionError("the block must not run")
    assert refusal.value.details["id"] == orders[1].pk
    assert list(PurchaseOrder.objects.order_by("pk").values_list("status", flat=True)) == [
        "draft",
        "cancelled",
        "draft",
    ]


def test_available_steps_follow_status_and_permission(lot: MaterialLot, clerk: User) -> None:
    assert LOT.available(lot, clerk) == []
    clerk.is_superuser = True
    assert [step.name for step in LOT.available(lot, clerk)] == ["quarantine", "expire"]


@pytest.mark.parametrize("lifecycle", Lifecycle.all(), ids=lambda lifecycle: lifecycle.model._meta.label)
def test_every_status_can_be_reached_and_every_permission_exists(lifecycle: Lifecycle[Any], db: Any) -> None:
    reached = set(lifecycle.initial)
    for _ in lifecycle.steps:
        reached |= {t for step in lifecycle.steps.values() if reached & set(step.sources) for t in step.targets}
    assert reached == {str(value) for value, _ in lifecycle.model._meta.get_field(lifecycle.field).flatchoices}
    meta = lifecycle.model._meta
    codes = [code for code, _ in meta.permissions] + [f"{act}_{meta.model_name}" for act in meta.default_permissions]
    declared = {f"{meta.app_label}.{code}" for code in codes}
    assert {step.permission for step in lifecycle.steps.values() if step.permission} <= declared


def test_the_diagram_shows_every_move() -> None:
    diagram = LOT.mermaid()
    assert "[*] --> ACTIVE" in diagram
    assert "ACTIVE --> QUARANTINE: quarantine" in diagram
    assert "EXPIRED --> [*]" in diagram


def test_a_locked_document_is_taken_as_it_is_with_what_was_changed_on_it(lot: MaterialLot, clerk: User) -> None:
    with transaction.atomic():
        [locked] = lock_documents(MaterialLot.objects.filter(pk=lot.pk))
        locked.vendor_lot_number = "V-7"
        take(locked, "expire", clerk, is_locked=True)
    lot.refresh_from_db()
    assert (lot.status, lot.vendor_lot_number, lot.version) == ("EXPIRED", "V-7", 2)
    with pytest.raises(InvalidTransition):
        take(lot, "expire", clerk, is_locked=True)
    assert lot.history.count() == 2


def test_many_locked_documents_are_saved_by_who_holds_them_and_keep_their_history(
    lot: MaterialLot, clerk: User
) -> None:
    def deplete(**options: bool) -> None:
        with LOT.step_many([lot], "deplete", actor=clerk, is_locked=True, **options):
            pass

    with transaction.atomic():
        deplete(is_saved=False)
        assert (lot.status, lot.version) == ("DEPLETED", 2)
        assert MaterialLot.objects.get().status == "ACTIVE"
        lot.refresh_from_db()
        deplete()
    assert MaterialLot.objects.get().status == "DEPLETED"
    assert [row.status for row in lot.history.all()] == ["DEPLETED", "DEPLETED", "ACTIVE"]
    with pytest.raises(InvalidTransition), transaction.atomic():
        deplete()
