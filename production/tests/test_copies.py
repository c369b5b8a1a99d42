"""So many copies over a group of printers, in one go."""

from __future__ import annotations

import pytest

from blb3d.core.errors import InvalidValue
from inventory.tests.factories import system_actor
from production import services as production
from production.models import PrinterGroup, ProductionOrder
from production.tests.factories import PrinterFactory, black_pla, printable

pytestmark = pytest.mark.django_db


def test_copies_are_queued_for_the_printers_of_the_group() -> None:
    group = PrinterGroup.objects.create(name="Cell")
    PrinterFactory(name="Outside", loaded=[black_pla()])
    for name in ("Inside 1", "Inside 2"):
        PrinterFactory(name=name, loaded=[black_pla()]).groups.add(group)
    order = production.print_copies(printable(parts=4), copies=10, group=group, priority=3, actor=system_actor())
    assert (order.status, order.quantity, order.priority, order.printer_group) == ("queued", 10, 3, group)
    jobs = list(order.print_jobs.order_by("id"))
    assert [(job.parts.get().planned, job.printer_group_id, job.priority) for job in jobs] == [
        (4, group.pk, 3), (4, group.pk, 3), (2, group.pk, 3)
    ]  # fmt: skip
    sent = production.dispatch_next(actor=system_actor())
    assert sorted(job.printer.name for job in sent) == ["Inside 1", "Inside 2"]


def test_copies_without_a_print_file_wait_for_it() -> None:
    order = production.print_copies(printable(file=False), copies=2, actor=system_actor())
    assert (order.status, order.print_jobs.count()) == ("confirmed", 0)


@pytest.mark.parametrize("wrong", [{"copies": 0}, {"copies": 1, "priority": 9}])
def test_wrong_numbers_are_refused_and_nothing_is_left(wrong: dict[str, int]) -> None:
    with pytest.raises(InvalidValue):
        production.print_copies(printable(), actor=system_actor(), **wrong)
    assert not ProductionOrder.objects.exists()
