"""A verb is a transaction acted by somebody."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from blb3d.accounts.models import User
from blb3d.core.actors import current
from blb3d.core.errors import NotAllowed
from blb3d.core.verbs import verb
from inventory.models import Vendor

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
