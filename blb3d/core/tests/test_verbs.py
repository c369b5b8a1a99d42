"""A verb is a transaction acted by somebody."""

from __future__ import annotations

import contextlib
import io
import logging
import threading
from functools import partial
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.db.models import F, Value
from django.db.models.functions import Concat

from blb3d.accounts.models import User
from blb3d.core.actors import current
from blb3d.core.api.errors import as_domain_error
from blb3d.core.errors import NotAllowed
from blb3d.core.verbs import verb
from inventory.models import Vendor
from inventory.tests.concurrency import shared_database, together

__all__ = ["shared_database"]

pytestmark = pytest.mark.django_db


@verb
def rename(vendor: Vendor, *, name: str, actor: User, reason: str = "") -> Vendor:
    vendor.name = name
    vendor.save()
    if name == "bad":
        raise ValueError("bad name")
    return vendor


def test_it_names_the_actor_and_reason_in_history(clerk: User) -> None:
    vendor = Vendor.objects.create(code="V", name="V")
    rename(vendor, name="W", actor=clerk, reason="merger")
    row = vendor.history.first()
    assert (row.history_user, row.history_change_reason, vendor.updated_by) == (clerk, "merger", clerk)
    assert current() is None


def test_it_leaves_nothing_behind_when_it_fails(clerk: User) -> None:
    vendor = Vendor.objects.create(code="V", name="V")
    with pytest.raises(ValueError, match="bad name"):
        rename(vendor, name="bad", actor=clerk)
    assert Vendor.objects.get().name == "V"
    assert vendor.history.count() == 1


def test_it_refuses_nobody_and_a_switched_off_actor(clerk: User) -> None:
    vendor = Vendor.objects.create(code="V", name="V")
    clerk.is_active = False
    for actor in (None, clerk, User(email="unsaved@example.com")):
        with pytest.raises(NotAllowed):
            rename(vendor, name="W", actor=actor)  # type: ignore[arg-type]
    assert Vendor.objects.get().name == "V"


@pytest.mark.django_db(transaction=True)
def test_it_writes_the_audit_log_only_once_it_has_committed(clerk: User, caplog: Any) -> None:
    vendor = Vendor.objects.create(code="V", name="V")
    audit = logging.getLogger("audit")
    audit.addHandler(caplog.handler)
    audit.setLevel(logging.INFO)
    try:
        with pytest.raises(ValueError, match="bad name"):
            rename(vendor, name="bad", actor=clerk)
        assert not [record for record in caplog.records if record.name == "audit"]
        rename(Vendor.objects.get(), name="W", actor=clerk, reason="merger")
    finally:
        audit.removeHandler(caplog.handler)
    record = next(record for record in caplog.records if record.name == "audit")
    assert (record.actor, record.subject, record.reason) == (  # type: ignore[attr-defined]
        "clerk@example.com",
        f"inventory.vendor:{vendor.pk}",
        "merger",
    )


class _Deadlock(Exception):
    sqlstate = "40P01"


def _victim() -> OperationalError:
    error = OperationalError("deadlock detected")
    error.__cause__ = _Deadlock()
    return error


@pytest.mark.django_db(transaction=True)
def test_a_victim_of_a_deadlock_is_done_again_with_what_it_was_given(clerk: User) -> None:
    vendor, tries = Vendor.objects.create(code="V", name="V"), []

    @verb
    def count_up(vendors: list[Vendor], *, actor: User) -> int:
        vendors[0].name += "!"
        vendors[0].save()
        tries.append(vendors[0].name)
        if len(tries) < 3:
            raise _victim()
        return vendors[0].version

    assert count_up([vendor], actor=clerk) == 2
    assert tries == ["V!", "V!", "V!"]
    assert (Vendor.objects.get().name, vendor.name, vendor.history.count()) == ("V!", "V!", 2)


@pytest.mark.django_db(transaction=True)
def test_a_row_that_was_not_stored_yet_is_inserted_again(clerk: User) -> None:
    tries = []

    @verb
    def store(vendor: Vendor, *, actor: User) -> Vendor:
        vendor.save()
        tries.append(vendor.pk)
        if len(tries) == 1:
            raise _victim()
        return vendor

    assert store(Vendor(code="V", name="V"), actor=clerk) == Vendor.objects.get()
    assert len(tries) == 2


@pytest.mark.django_db(transaction=True)
def test_it_gives_up_after_some_attempts_and_at_once_on_other_errors_and_on_what_reading_uses_up(clerk: User) -> None:
    tries: list[str] = []

    @verb
    def fail(given: Any, *, error: Exception, actor: User) -> None:
        tries.append("x")
        raise error

    for given, error, expected in (
        ("again", _victim(), 6),
        ("other", OperationalError("disk full"), 1),
        (iter([1]), _victim(), 1),
        ([{"file": io.BytesIO(b"x")}], _victim(), 1),
    ):
        tries.clear()
        with pytest.raises(OperationalError):
            fail(given, error=error, actor=clerk)
        assert len(tries) == expected


def test_inside_a_transaction_the_outer_one_decides(clerk: User) -> None:
    tries = []

    @verb
    def fail(*, actor: User) -> None:
        tries.append("x")
        raise _victim()

    with pytest.raises(OperationalError):
        fail(actor=clerk)
    assert tries == ["x"]


@pytest.mark.django_db(transaction=True)
def test_two_who_wait_for_each_other_both_end(clerk: User, shared_database: None) -> None:
    one, two = (Vendor.objects.create(code=code, name=code) for code in "AB")
    both_hold = threading.Barrier(2)

    @verb
    def cross(first: Vendor, second: Vendor, *, actor: User) -> str:
        for vendor in (first, second):
            Vendor.objects.filter(pk=vendor.pk).update(name=F("code"), phone=Concat("phone", Value("x")))
            if vendor is first and connection.vendor == "postgresql":
                with contextlib.suppress(threading.BrokenBarrierError):
                    both_hold.wait(timeout=2)
        return "done"

    assert together(partial(cross, one, two, actor=clerk), partial(cross, two, one, actor=clerk)) == ["done", "done"]
    assert list(Vendor.objects.order_by("pk").values_list("phone", flat=True)) == ["xx", "xx"]


def test_who_gives_way_inside_a_larger_transaction_is_told_to_send_it_again() -> None:
    error = as_domain_error(_victim())
    assert error is not None
    assert (error.code, error.http_status, error.transient) == ("CONFLICT_006", 503, True)
    assert as_domain_error(OperationalError("disk is full")) is None
