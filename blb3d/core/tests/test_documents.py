"""Documents know who wrote them, keep their history, and refuse a lost update."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection, transaction

from blb3d.accounts.models import User
from blb3d.core.actors import acting
from blb3d.core.documents import insert_documents, lock_documents, take_over, update_documents
from blb3d.core.errors import StaleVersion
from inventory.models import PurchaseOrder, Vendor

pytestmark = pytest.mark.django_db


def test_saving_stamps_who_and_raises_the_version(clerk: User) -> None:
    with acting(clerk, "first entry"):
        vendor = Vendor.objects.create(code="V", name="old")
    assert (vendor.created_by, vendor.updated_by, vendor.version) == (clerk, clerk, 1)
    other = User.objects.create_user("other@example.com")
    with acting(other):
        vendor.name = "new"
        vendor.save()
    vendor.refresh_from_db()
    assert (vendor.created_by, vendor.updated_by, vendor.version) == (clerk, other, 2)
    assert [(row.name, row.history_user) for row in vendor.history.all()] == [("new", other), ("old", clerk)]
    assert vendor.history.last().history_change_reason == "first entry"


def test_a_second_writer_is_refused_and_changes_nothing(clerk: User) -> None:
    vendor = Vendor.objects.create(code="V", name="old")
    stale = Vendor.objects.get(pk=vendor.pk)
    vendor.name = "first"
    vendor.save()
    stale.name = "second"
    with pytest.raises(StaleVersion), transaction.atomic():
        stale.save()
    assert stale.version == 1
    vendor.refresh_from_db()
    assert (vendor.name, vendor.version, vendor.history.count()) == ("first", 2, 2)


def test_saving_some_fields_still_raises_the_version(clerk: User) -> None:
    vendor = Vendor.objects.create(code="V", name="old", phone="1")
    vendor.name, vendor.phone = "new", "2"
    vendor.save(update_fields=["name"])
    vendor.refresh_from_db()
    assert (vendor.name, vendor.phone, vendor.version) == ("new", "1", 2)


def test_a_version_that_was_read_earlier_is_refused() -> None:
    vendor = Vendor(code="V", name="V", version=3)
    vendor.check_version(None)
    vendor.check_version(3)
    with pytest.raises(StaleVersion) as refusal:
        vendor.check_version(2)
    assert refusal.value.details == {"expected": 2, "version": 3}


def test_deleted_documents_are_hidden_but_kept(clerk: User) -> None:
    vendor = Vendor.objects.create(code="V", name="V")
    vendor.deleted_at = vendor.created_at
    vendor.save()
    assert not Vendor.objects.exists()
    assert Vendor.all_objects.count() == 1


def test_bulk_insert_and_update_write_history_in_constant_statements(
    clerk: User, django_assert_num_queries: Any
) -> None:
    for count in (2, 30):
        with acting(clerk, "import"), django_assert_num_queries(2):
            rows = insert_documents([Vendor(code=f"{count}-{n}", name="old") for n in range(count)])
        assert all(row.pk for row in rows)
        for row in rows:
            row.name = "new"
        with transaction.atomic(), acting(clerk, "rename"), django_assert_num_queries(2):
            update_documents(rows, ["name"])
    fresh = Vendor.objects.get(code="30-7")
    assert (fresh.name, fresh.version, fresh.created_by, fresh.updated_by) == ("new", 2, clerk, clerk)
    assert [(h.name, h.history_user, h.history_change_reason) for h in fresh.history.all()] == [
        ("new", clerk, "rename"),
        ("old", clerk, "import"),
    ]


def test_locking_returns_the_rows_as_they_are_now(clerk: User) -> None:
    rows = [Vendor.objects.create(code=f"V{n}", name="V") for n in range(3)]
    with transaction.atomic():
        assert lock_documents(Vendor.objects.filter(pk__in=[row.pk for row in reversed(rows)])) == rows


def test_postgresql_locks_and_reads_in_one_statement(django_assert_num_queries) -> None:  # type: ignore[no-untyped-def]
    vendor = Vendor.objects.create(code="V", name="V")
    with transaction.atomic(), django_assert_num_queries(1 if connection.vendor == "postgresql" else 3):
        assert lock_documents(Vendor.objects.filter(name="V")) == [vendor]


def test_a_document_takes_over_what_was_read_later_and_forgets_what_hung_on_it(clerk: User) -> None:
    old, new = (Vendor.objects.create(code=code, name=code) for code in ("OLD", "NEW"))
    order = PurchaseOrder.objects.create(po_number="P-1", vendor=old)
    assert order.vendor.code == "OLD"
    fresh = PurchaseOrder.objects.get()
    fresh.vendor = new
    fresh.save()
    take_over(order, fresh)
    assert (order.vendor.code, order.version) == ("NEW", 2)
    order.save()
    assert PurchaseOrder.objects.get().version == 3
