"""The files of a product: revisions, one current of each kind and printer model, and a released one stays."""

import hashlib
import io
from functools import partial

import pytest
from django.core.files.storage import default_storage

from blb3d.core.errors import InvalidTransition, InvalidValue, ReasonRequired
from blb3d.core.outbox import OutboxEvent
from blb3d.core.uploads import OversizedFile
from inventory import services as inventory
from inventory.errors import UnusableProductFile
from inventory.models import Product, ProductFile
from inventory.tests.concurrency import shared_database, together  # noqa: F401
from inventory.tests.factories import ProductFactory, system_actor

pytestmark = pytest.mark.django_db


def add(product: Product, content: bytes = b"solid cup", **given) -> ProductFile:
    given = {"kind": "model", "file_name": "cup.stl", **given}
    return inventory.add_product_file(product, io.BytesIO(content), actor=system_actor(), **given)


def read(file: ProductFile) -> bytes:
    with default_storage.open(file.file.name) as stored:
        return stored.read()


def test_a_file_is_kept_under_its_product_with_digest_and_size():
    cup = ProductFactory(sku="FG-CUP")
    row = add(cup, note=" first ")
    assert (row.revision, row.name, row.note, row.size_bytes) == (1, "cup.stl", "first", 9)
    assert row.sha256 == hashlib.sha256(b"solid cup").hexdigest()
    assert row.file.name == f"library/FG-CUP/model-r1-{row.sha256[:12]}.stl"
    assert (read(row), row.is_current, row.state) == (b"solid cup", False, "not released")
    assert OutboxEvent.objects.get(topic="inventory.product_file_added").payload["revision"] == 1


def test_the_same_content_is_kept_once_and_other_content_is_the_next_revision():
    cup = ProductFactory()
    first, again, second = add(cup), add(cup), add(cup, b"solid cup two")
    other = add(cup, b"PK\x03\x04g", kind="gcode", file_name="cup.gcode.3mf", printer_model=" P1S ")
    assert (again, second.revision) == (first, 2)
    assert (other.revision, other.printer_model, other.file.name.endswith(".gcode.3mf")) == (1, "P1S", True)
    assert ProductFile.objects.count() == 3


def test_one_of_each_kind_and_printer_model_is_current():
    actor, cup = system_actor(), ProductFactory()
    first, second = add(cup), add(cup, b"solid cup two")
    drawing = add(cup, b"%PDF-1.7", kind="drawing", file_name="cup.PDF")
    for row in (first, drawing):
        inventory.release_product_file(row, actor=actor)
    inventory.release_product_file(second, actor=actor)
    inventory.release_product_file(second, actor=actor)
    for row in (first, second, drawing):
        row.refresh_from_db()
    assert [row.state for row in (first, second, drawing)] == ["superseded", "current", "current"]
    assert second.released_by == actor
    assert second.history.count() == 2
    with pytest.raises(InvalidTransition):
        inventory.release_product_file(first, actor=actor)
    assert ProductFile.objects.filter(is_current=True).count() == 2


def test_a_revision_older_than_the_released_one_is_not_released_any_more():
    actor, cup = system_actor(), ProductFactory()
    first, second = add(cup), add(cup, b"solid cup two")
    inventory.release_product_file(second, actor=actor)
    with pytest.raises(InvalidTransition):
        inventory.release_product_file(first, actor=actor)
    assert ProductFile.objects.get(is_current=True) == second


def test_a_withdrawn_file_leaves_none_current_and_the_released_content_never_changes():
    actor, cup = system_actor(), ProductFactory()
    first, second = add(cup), add(cup, b"solid cup two")
    for row in (first, second):
        inventory.release_product_file(row, actor=actor)
    with pytest.raises(ReasonRequired):
        inventory.withdraw_product_file(second, actor=actor, reason=" ")
    gone = inventory.withdraw_product_file(second, actor=actor, reason="wrong hole")
    assert (gone.state, gone.history.latest().history_change_reason) == ("withdrawn", "wrong hole")
    assert not ProductFile.objects.filter(is_current=True).exists()
    assert (read(first), read(gone)) == (b"solid cup", b"solid cup two")
    with pytest.raises(InvalidTransition):
        inventory.release_product_file(gone, actor=actor)
    # The same content may come back, as a revision of its own.
    assert add(cup, b"solid cup two").revision == 3


@pytest.mark.parametrize(
    ("field", "value"), [("file", "library/other.stl"), ("sha256", "0" * 64), ("revision", 7), ("name", "x.stl")]
)
def test_nobody_puts_another_content_into_a_released_file(field, value):
    row = inventory.release_product_file(add(ProductFactory()), actor=system_actor())
    row = ProductFile.objects.get(pk=row.pk)
    setattr(row, field, value)
    with pytest.raises(TypeError):
        row.save()
    ProductFile.objects.get(pk=row.pk).save()
    assert str(getattr(ProductFile.objects.get(pk=row.pk), field)) != str(value)


@pytest.mark.parametrize(
    ("content", "given"),
    [
        (b"", {}),
        (b"MZ\x90", {}),
        (b"\x7fELF", {}),
        (b"solid", {"file_name": "cup.exe"}),
        (b"not a zip", {"file_name": "cup.3mf"}),
        (b"not a zip", {"kind": "gcode", "file_name": "cup.gcode.3mf", "printer_model": "P1S"}),
        (b"no pdf", {"kind": "drawing", "file_name": "cup.pdf"}),
    ],
)
def test_what_it_does_not_hold_is_refused(content, given):
    with pytest.raises(UnusableProductFile):
        add(ProductFactory(sku="FG-X"), content, **given)
    assert not ProductFile.objects.exists()
    assert not default_storage.exists("library/FG-X")


def test_a_kind_that_does_not_exist_and_gcode_for_no_printer_are_refused():
    cup = ProductFactory()
    for given in ({"kind": "song"}, {"kind": "gcode", "file_name": "a.gcode"}):
        with pytest.raises(InvalidValue):
            add(cup, **given)
    assert not ProductFile.objects.exists()


def test_a_file_that_is_too_large_is_refused(settings):
    settings.MAX_UPLOAD_SIZE_MB = 1
    cup = ProductFactory()
    with pytest.raises(UnusableProductFile):
        add(cup, b"x" * (1024 * 1024 + 1))
    with pytest.raises(UnusableProductFile):
        inventory.add_product_file(
            cup,
            OversizedFile("cup.stl", "", 2_000_000, ""),  # type: ignore[arg-type]
            kind="model",
            file_name="cup.stl",
            actor=system_actor(),
        )
    assert not ProductFile.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("shared_database")
def test_four_uploads_at_once_are_four_revisions():
    cup, actor = ProductFactory(), system_actor()
    calls = [
        partial(
            inventory.add_product_file, cup, io.BytesIO(b"solid %d" % n), kind="model", file_name="c.stl", actor=actor
        )
        for n in range(4)
    ]
    results = together(*calls)
    assert sorted(result.revision for result in results) == [1, 2, 3, 4]
    together(*(partial(inventory.release_product_file, result, actor=actor) for result in results))
    assert ProductFile.objects.filter(is_current=True).count() == 1
