"""Lots, reels and sheets in the console: every button, what it refuses, and what a blind sheet keeps to itself."""

from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.accounts.roles import ROLES, permissions_matching
from blb3d.accounts.tests.factories import SuperuserFactory
from blb3d.core.templatetags.blb3d_ui import plain_number
from inventory import services as inventory
from inventory.models import CycleCount, DryingRecord, Inventory, MaterialLot, Spool
from inventory.tests.factories import (
    ComponentFactory,
    LocationFactory,
    MaterialFactory,
    put_on_shelf,
    receive,
    system_actor,
)

pytestmark = pytest.mark.django_db

PDF = b"%PDF-1.7\n"


@pytest.fixture(autouse=True)
def storage(settings: Any, tmp_path: Path) -> None:
    """Keep files of this module apart."""
    settings.MEDIA_ROOT = str(tmp_path)


@pytest.fixture
def console() -> Client:
    client = Client()
    client.force_login(SuperuserFactory())
    return client


def as_role(name: str) -> tuple[Client, User]:
    """Return somebody of a role, logged in."""
    user = User.objects.create_user(f"{name}@example.com", "a-word-of-theirs-1", is_staff=True)
    group, _ = Group.objects.get_or_create(name=name)
    group.permissions.set(permissions_matching(ROLES[name]))
    user.groups.add(group)
    client = Client()
    client.force_login(user)
    return client, user


def url(obj: Any, name: str, *more: Any) -> str:
    """Return an address of a row's page."""
    opts = obj._meta
    pk = [obj.pk] if not isinstance(obj, type) else []
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_{name}", args=[*pk, *more])


def act(console: Client, obj: Any, name: str, **answers: Any) -> str:
    """Press a button and answer what its page asks; return what is shown then."""
    data = {"_version": getattr(obj, "version", ""), "_answered": "1", **answers}
    return str(console.post(url(obj, "verb", name), data, follow=True).content.decode())


def page(console: Client, obj: Any) -> str:
    """Return a row's page."""
    return str(console.get(url(obj, "change")).content.decode())


# --- lots ------------------------------------------------------------------------------------------------------------


def test_a_certificate_is_uploaded_and_saved_by_who_may_see_the_lot(console: Client) -> None:
    lot = receive(MaterialFactory(requires_certificate=True), "1")
    assert "missing: the lot waits for it" in page(console, lot)
    assert "LOT_012" in act(console, lot, "release")
    act(console, lot, "attach_certificate", certificate=SimpleUploadedFile("CoA 7.pdf", PDF, "application/pdf"))
    lot.refresh_from_db()
    assert "CoA 7.pdf" in page(console, lot)
    answer = console.get(url(lot, "certificate"))
    assert b"".join(answer.streaming_content) == PDF  # type: ignore[attr-defined]
    assert answer["Content-Disposition"] == 'attachment; filename="CoA 7.pdf"'
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Cache-Control"].startswith("private, no-store")
    act(console, lot, "release")
    lot.refresh_from_db()
    assert lot.status == MaterialLot.Status.ACTIVE


def test_a_certificate_is_not_for_everybody(console: Client) -> None:
    lot = receive(MaterialFactory(), "1")
    assert console.get(url(lot, "certificate")).status_code == 404
    act(console, lot, "attach_certificate", certificate=SimpleUploadedFile("a.pdf", PDF))
    nobody = Client()
    nobody.force_login(User.objects.create_user("new@example.com", "a-word-of-theirs-1", is_staff=True))
    assert nobody.get(url(lot, "certificate")).status_code == 403
    assert Client().get(url(lot, "certificate")).status_code == 302


def test_a_file_that_is_none_is_refused_in_words(console: Client) -> None:
    lot = receive(MaterialFactory(), "1")
    shown = act(console, lot, "attach_certificate", certificate=SimpleUploadedFile("a.pdf", b"MZ"))
    assert "LOT_013" in shown
    lot.refresh_from_db()
    assert not lot.coa_document_path


def test_reels_are_made_on_the_lots_page(console: Client) -> None:
    lot = receive(MaterialFactory(), "2")
    act(console, lot, "make_spools", count="2", grams_each="1000", tare_grams="200")
    assert Spool.objects.filter(lot=lot, remaining_grams=1000, tare_grams=200).count() == 2
    lot.refresh_from_db()
    assert "LOT_010" in act(console, lot, "make_spools", count="1", grams_each="1", tare_grams="0")


def test_until_when_a_lot_is_good_is_a_day_and_needs_a_reason(console: Client) -> None:
    lot = receive(MaterialFactory(), "1")
    day = timezone.localdate() + datetime.timedelta(days=90)
    act(console, lot, "change_expiry", good_until=day.isoformat())
    lot.refresh_from_db()
    assert lot.expiration_date is None
    act(console, lot, "change_expiry", good_until=day.isoformat(), reason="Letter of the vendor")
    lot.refresh_from_db()
    assert lot.expiration_date is not None
    local = timezone.localtime(lot.expiration_date)
    assert (local.date(), local.hour, local.minute) == (day, 23, 59)


# --- reels -----------------------------------------------------------------------------------------------------------


def test_a_reel_is_moved_dried_split_and_put_together_on_its_page(console: Client) -> None:
    lot = receive(MaterialFactory(is_hygroscopic=True, drying_celsius=70), "1")
    [spool] = inventory.make_spools(lot, count=1, grams_each=Decimal(1000), actor=system_actor())
    place = LocationFactory(code="DRY-1")
    act(console, spool, "move", location=place.pk)
    assert Inventory.objects.get(lot=lot, location=place).on_hand_quantity == 1
    spool.refresh_from_db()
    act(console, spool, "dry", celsius="70")
    assert "in the dryer at 70 °C" in page(console, spool)
    act(console, spool, "dried", sealed="on")
    record = DryingRecord.objects.get()
    assert record.ended_at is not None
    assert console.get(url(record, "change")).status_code == 200
    spool.refresh_from_db()
    act(console, spool, "split", grams="400", tare_grams="0")
    new = Spool.objects.exclude(pk=spool.pk).get()
    assert new.split_from == spool
    act(console, new, "merge", into=spool.pk)
    spool.refresh_from_db()
    assert spool.remaining_grams == 1000
    spool.refresh_from_db()
    console.post(
        url(spool, "change"), {"tray_uuid": "F00D", "tag_uid": "", "tare_grams": "190", "remaining_grams": "1"}
    )
    spool.refresh_from_db()
    assert spool.remaining_grams == 1000


# --- sheets ----------------------------------------------------------------------------------------------------------


def counted_sheet(console: Client, quantity: str) -> CycleCount:
    """Draw up a blind sheet, start it, count its one line."""
    form = {"location": LocationFactory().pk, "abc_class": "", "is_blind": "on", "notes": ""}
    assert console.post(url(CycleCount, "add"), form).status_code == 302
    count = CycleCount.objects.latest("id")
    act(console, count, "start")
    count.refresh_from_db()
    act(console, count, "count", line=count.lines.get().pk, quantity=quantity)
    count.refresh_from_db()
    return count


def test_a_sheet_goes_through_the_console_and_a_second_person_approves(console: Client) -> None:
    part = ComponentFactory(unit_cost=Decimal("0.25"))
    put_on_shelf(part, 8765)
    count = counted_sheet(console, "8000")
    act(console, count, "submit")
    count.refresh_from_db()
    assert count.status == CycleCount.Status.SUBMITTED
    assert "COUNT_003" in act(console, count, "approve")
    other, who = as_role("manager")
    asked = other.post(url(count, "verb", "approve"), {"_version": count.version}).content.decode()
    assert "-765" in asked
    assert "-191.25" in asked or "191.25" in asked
    act(other, count, "approve")
    count.refresh_from_db()
    assert (count.status, count.approved_by) == (CycleCount.Status.APPROVED, who)
    assert Inventory.objects.get(product=part).on_hand_quantity == 8000


def test_a_blind_sheet_hides_the_books_until_it_is_counted(console: Client) -> None:
    put_on_shelf(ComponentFactory(), 8765)
    count = counted_sheet(console, "4321")
    operator, _ = as_role("operator")
    for client in (console, operator):
        shown = page(client, count)
        assert "8765" not in shown
        assert plain_number(Decimal(8765)) not in shown
        assert plain_number(Decimal(4321)) in shown
    asked = console.post(url(count, "verb", "count"), {"_version": count.version}).content.decode()
    assert plain_number(Decimal(8765)) not in asked
    act(console, count, "submit")
    assert plain_number(Decimal(8765)) in page(console, count)
    assert plain_number(Decimal(8765)) not in page(operator, count)


def test_what_was_found_is_added_in_the_console(console: Client) -> None:
    put_on_shelf(ComponentFactory(), 10)
    count = counted_sheet(console, "10")
    other = ComponentFactory()
    act(console, count, "found", product=other.pk, location=LocationFactory().pk, quantity="3")
    assert count.lines.get(product=other).counted_quantity == 3


def test_what_is_due_becomes_a_sheet(console: Client) -> None:
    first, second = ComponentFactory(), ComponentFactory()
    for product in (first, second):
        put_on_shelf(product, 10)
    due = reverse("admin:inventory_cyclecount_due")
    shown = console.get(due).content.decode()
    assert first.sku in shown
    assert second.sku in shown
    console.post(due, {"location": "", "is_blind": "1"})
    assert not CycleCount.objects.exists()
    console.post(due, {"product": [second.pk], "location": "MAIN", "is_blind": "1"})
    count = CycleCount.objects.get()
    assert (count.location, list(count.products.all()), count.is_blind) == (LocationFactory(), [second], True)
    operator, _ = as_role("operator")
    assert operator.get(due).status_code == 200
    assert operator.post(due, {"classify": "1"}).status_code == 403
    assert "0 are A now, 0 are B now, 2 are C now" in console.post(due, {"classify": "1"}, follow=True).content.decode()
    assert operator.post(due, {"product": [first.pk]}).status_code == 403
