"""Every move of production orders and print jobs that is not in the table is refused, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from blb3d.core.errors import InvalidTransition
from blb3d.core.outbox import OutboxEvent
from inventory.tests.factories import system_actor
from production import services as production
from production.models import PrintJob, ProductionOrder
from production.tests.factories import black_pla, draft, printable, stock

pytestmark = pytest.mark.django_db

ORDER_TABLE = {
    "confirm": {"draft": "confirmed"},
    "queue": {"confirmed": "queued"},
    "start": {"queued": "printing"},
    "complete": {"printing": "completed", "queued": "completed"},
    "fail": {"queued": "failed", "printing": "failed"},
    "retry": {"failed": "queued"},
    "cancel": {"draft": "cancelled", "confirmed": "cancelled", "queued": "cancelled", "failed": "cancelled"},
}
JOB_TABLE = {
    "send": {"queued": "sent"},
    "requeue": {"sent": "queued"},
    "begin": {"sent": "printing", "queued": "printing"},
    "pause": {"printing": "paused"},
    "resume": {"paused": "printing"},
    "finish": {"sent": "finished", "printing": "finished", "paused": "finished", "unknown": "finished"},
    "fail": {"sent": "failed", "printing": "failed", "paused": "failed", "unknown": "failed"},
    "cancel": {
        "queued": "cancelled",
        "sent": "cancelled",
        "printing": "cancelled",
        "paused": "cancelled",
        "unknown": "cancelled",
    },
    "lose": {"sent": "unknown", "printing": "unknown", "paused": "unknown"},
}


def test_the_tables_are_the_ones_in_the_code() -> None:
    for model, table in ((ProductionOrder, ORDER_TABLE), (PrintJob, JOB_TABLE)):
        coded = {name: dict.fromkeys(step.sources, step.targets[0]) for name, step in model.lifecycle.steps.items()}
        assert coded == table


def _in_status(document: Any, status: str) -> Any:
    """Put a row into a status past every verb, as only a test may."""
    from django.db import models

    models.QuerySet.update(type(document).all_objects.filter(pk=document.pk), status=status)
    document.refresh_from_db()
    return document


def _confirm(order: ProductionOrder) -> None:
    production.confirm_production_orders([order], actor=system_actor())


ORDER_VERBS: dict[str, Callable[[ProductionOrder], Any]] = {
    "confirm": _confirm,
    "queue": lambda order: production.queue_production_order(order, actor=system_actor()),
    "complete": lambda order: production.complete_production_order(order, actor=system_actor(), reason="short"),
    "fail": lambda order: production.fail_production_order(order, actor=system_actor(), reason="broken"),
    "retry": lambda order: production.retry_production_order(order, actor=system_actor()),
    "cancel": lambda order: production.cancel_production_order(order, actor=system_actor(), reason="unwanted"),
}
ORDER_MOVES = [(verb, status) for verb in ORDER_VERBS for status in ProductionOrder.Status.values]


@pytest.mark.parametrize(("verb", "status"), ORDER_MOVES)
def test_an_order_moves_as_the_table_says_and_no_other_way(verb: str, status: str) -> None:
    stock(black_pla())
    order = _in_status(draft(printable()), status)
    target = ORDER_TABLE[verb].get(status)
    facts = OutboxEvent.objects.count()
    if target:
        ORDER_VERBS[verb](order)
        assert ProductionOrder.objects.get(pk=order.pk).status == target
        return
    with pytest.raises(InvalidTransition) as refusal:
        ORDER_VERBS[verb](order)
    assert refusal.value.details["allowed"] == [name for name, moves in ORDER_TABLE.items() if status in moves]
    assert ProductionOrder.objects.get(pk=order.pk).status == status
    assert order.history.count() == 1
    assert OutboxEvent.objects.count() == facts
    assert not PrintJob.objects.exists()


JOB_VERBS: dict[str, Callable[[PrintJob], Any]] = {
    "requeue": lambda job: production.requeue_job(job, actor=system_actor(), reason="never began"),
    "begin": lambda job: production.begin_job(job, actor=system_actor()),
    "pause": lambda job: production.record_paused(job, actor=system_actor()),
    "resume": lambda job: production.record_resumed(job, actor=system_actor()),
    "finish": lambda job: production.record_finished(job, actor=system_actor()),
    "fail": lambda job: production.record_failed(job, actor=system_actor(), code="0300_4000", text="clogged"),
    "cancel": lambda job: production.record_cancelled(job, actor=system_actor(), reason="unwanted"),
    "lose": lambda job: production.lose_job(job, actor=system_actor(), reason="power cut"),
}
JOB_MOVES = [(verb, status) for verb in JOB_VERBS for status in PrintJob.Status.values]
#: A report that says what is known already is no move and no error.
REPEATS = {
    ("requeue", "queued"),
    ("begin", "printing"),
    ("begin", "paused"),
    ("pause", "paused"),
    ("resume", "printing"),
    ("finish", "finished"),
    ("fail", "failed"),
    ("cancel", "cancelled"),
    ("lose", "unknown"),
}


@pytest.mark.parametrize(("verb", "status"), JOB_MOVES)
def test_a_job_moves_as_the_table_says_and_no_other_way(verb: str, status: str) -> None:
    stock(black_pla())
    order = draft(printable())
    _confirm(order)
    [job] = production.queue_production_order(order, actor=system_actor())
    _in_status(job, status)
    before = job.history.count()
    if (verb, status) in REPEATS:
        JOB_VERBS[verb](job)
        assert PrintJob.objects.get(pk=job.pk).status == status
        assert job.history.count() == before
        return
    target = JOB_TABLE[verb].get(status)
    if target:
        JOB_VERBS[verb](job)
        assert PrintJob.objects.get(pk=job.pk).status == target
        return
    with pytest.raises(InvalidTransition):
        JOB_VERBS[verb](job)
    assert PrintJob.objects.get(pk=job.pk).status == status
    assert job.history.count() == before
    assert not job.materials.exists()


@pytest.mark.parametrize("status", [status for status in PrintJob.Status.values if status != "unknown"])
def test_only_a_job_whose_end_was_not_seen_is_decided_upon(status: str) -> None:
    order = draft(printable())
    _confirm(order)
    [job] = production.queue_production_order(order, actor=system_actor())
    _in_status(job, status)
    with pytest.raises(InvalidTransition):
        production.decide_job(job, outcome="finished", actor=system_actor(), reason="I looked")
    assert PrintJob.objects.get(pk=job.pk).status == status


@pytest.mark.parametrize("outcome", ["finished", "failed", "cancelled"])
def test_a_person_decides_how_a_lost_job_ended(outcome: str) -> None:
    stock(black_pla())
    order = draft(printable())
    _confirm(order)
    [job] = production.queue_production_order(order, actor=system_actor())
    production.begin_job(job, actor=system_actor())
    production.record_progress(job, percent=Decimal(50), actor=system_actor())
    production.lose_job(job, actor=system_actor(), reason="power cut")
    production.decide_job(job, outcome=outcome, actor=system_actor(), reason="I looked at the plate")
    job.refresh_from_db()
    assert job.status == outcome
    assert job.end_inferred == (outcome == "finished")
    assert job.history.first().history_change_reason == "I looked at the plate"
    assert job.material_grams_used == (Decimal(100) if outcome == "finished" else Decimal(50))
