"""Labels as ZPL: sizes, a code that leads to the page, and nothing typed that a label printer would obey."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
import segno
from django.test import Client
from django.urls import reverse

from blb3d.accounts.tests.factories import SuperuserFactory
from inventory import services as inventory
from inventory.models import InventoryLocation, MaterialLot, Spool
from inventory.services.labels import Label, labels_zpl, location_label, lot_label, spool_label, zpl_text
from inventory.tests.factories import LocationFactory, MaterialFactory, receive, system_actor

pytestmark = pytest.mark.django_db


def spool(**product: object) -> Spool:
    """Return a reel of a new lot."""
    lot = receive(MaterialFactory(**product), "1", lot_number="LOT-A1", vendor_lot_number="V/77")
    [made] = inventory.make_spools(
        lot, count=1, grams_each=Decimal(1000), tare_grams=Decimal("212.5"), actor=system_actor()
    )
    return made


def test_a_label_is_62_by_29_mm_at_203_dpi_with_a_code_and_its_lines() -> None:
    reel = spool()
    zpl = labels_zpl([spool_label(reel)])
    assert zpl.startswith("^XA\n^CI28\n^PW496^LL232^LH0,0\n")
    assert zpl.endswith("^XZ\n")
    assert zpl.isascii()
    code = re.search(r"\^BQN,2,(\d+)\^FH_\^FDMA,(\S+)\^FS", zpl)
    assert code is not None
    assert code[2] == f"http://localhost:8000/floor/spools/{reel.label}/"
    assert 4 <= int(code[1]) <= 10
    texts = re.findall(r"\^FB\d+,1,0,L,0\^FH_\^FD(.*)\^FS", zpl)
    assert texts == [reel.label, "PLA Black", "lot LOT-A1", "empty reel 212.5 g"]


def test_the_code_fits_on_the_label_however_long_the_address_is() -> None:
    # The square for it is 25 mm, which are 200 dots at 8 dots a millimetre.
    for length in (5, 60, 200):
        zpl = labels_zpl([Label("X", [], "/floor/lots/" + "L" * length + "/")])
        found = re.search(r"\^BQN,2,(\d+)\^FH_\^FDMA,(\S+)\^FS", zpl)
        assert found is not None
        dots = segno.make(found[2], error="m", boost_error=False, micro=False).symbol_size(border=0)[0]
        assert 100 < int(found[1]) * dots <= 200
    assert labels_zpl([Label("X", [], "/a/")]).count("^FD") == 2


def test_nothing_that_was_typed_is_read_as_a_command() -> None:
    assert zpl_text("^XZ~JA\\&_ü\n 2") == "_5EXZ_7EJA_5C&_5F_C3_BC 2"
    zpl = labels_zpl([Label("^XZ^XA", ["~JR"], "/x/")])
    assert zpl.count("^XA") == zpl.count("^XZ") == 1
    assert "~" not in zpl


def test_long_titles_are_written_smaller() -> None:
    def height(title: str) -> int:
        found = re.findall(r"\^A0N,(\d+),", labels_zpl([Label(title, [], "/x/")]))
        return int(found[0])

    assert height("SP-1") == 44
    assert 14 <= height("PLA-BLACK-VERY-LONG-LOT-NUMBER-2501") < 24


def test_lots_and_places_have_labels_that_lead_to_their_pages() -> None:
    lot = spool().lot
    assert lot_label(lot).lines[1] == "vendor's lot V/77"
    assert lot_label(lot).url.endswith("/floor/lots/LOT-A1/")
    assert location_label(LocationFactory(code="A-01")).url.endswith("/floor/places/A-01/")


@pytest.mark.parametrize("model", [Spool, MaterialLot, InventoryLocation])
@pytest.mark.parametrize(("act", "kind"), [("labels_pdf", "application/pdf"), ("labels_zpl", "text/plain")])
def test_the_console_prints_labels_of_chosen_rows(model: type, act: str, kind: str, client: Client) -> None:
    spool()
    client.force_login(SuperuserFactory())
    rows = list(model.objects.all())  # type: ignore[attr-defined]
    address = reverse(f"admin:inventory_{model._meta.model_name}_changelist")  # type: ignore[attr-defined]
    answer = client.post(address, {"action": act, "_selected_action": [row.pk for row in rows]})
    assert (answer.status_code, answer["Content-Type"]) == (200, kind)
    for row in rows:
        row.refresh_from_db()
        assert model is InventoryLocation or row.labelled_at is not None
