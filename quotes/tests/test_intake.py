"""Files become a quote as one, or not at all; every upload is logged either way."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from blb3d.accounts.services import start_visit
from blb3d.core import outbox
from blb3d.core.errors import BLB3DError, InvalidValue, NotAllowed
from inventory.errors import MaterialNotFound
from quotes import services as quotes
from quotes.errors import MaterialNotAvailable, TooManyFiles
from quotes.modelfiles import UnusableFile
from quotes.modelfiles.make import box
from quotes.modelfiles.make_project import ProjectBody, ProjectThing, write_project
from quotes.models import FileUploadLog, Quote, QuoteFile, QuoteMaterial, QuotePart
from quotes.services.intake import READING
from quotes.services.storing import safe_name
from quotes.tests.factories import bracket, cube, member, quoted, request, stranger, system_actor

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("materials", "uploads")]


def test_a_file_becomes_a_priced_quote_that_can_be_accepted():
    buyer = member()
    quote = quoted(buyer, quantity=10, product_name="Bracket")
    assert (quote.status, quote.user, quote.customer) == ("approved", buyer.user, buyer.customer)
    assert quote.quote_number.startswith("Q-")
    assert quote.material_grams > 0
    assert quote.print_time_minutes > 0
    assert quote.subtotal == quote.unit_price * 10
    assert quote.total_price == quote.subtotal + quote.tax
    assert quote.tax == (quote.subtotal * Decimal("0.07")).quantize(Decimal("0.01"))
    assert quote.approvals.count() == 0
    assert (quote.expires_at - quote.priced_at).days in {29, 30}


def test_the_breakdown_keeps_lines_inputs_and_version_and_adds_up():
    quote = quoted(quantity=10)
    kept = quote.price_breakdown
    assert sum(Decimal(line["amount"]) for line in kept["lines"]) == quote.subtotal
    assert kept["inputs"]["quantity"] == 10
    assert Decimal(kept["inputs"]["material_grams"]) == quote.material_grams
    assert kept["rules_version"]
    assert not {line["key"] for line in kept["lines"]} & {"margin", "markup"}


def test_the_file_lies_where_the_owner_wants_it(uploads):
    quote = quoted()
    row = quote.files.get()
    folder = f"quotes/{quote.created_at:%Y}/{quote.created_at:%m}/{quote.pk}"
    assert row.file.name.startswith(f"{folder}/")
    assert (uploads / row.file.name).read_bytes() == bracket().content
    assert (uploads / row.thumbnail.name).read_bytes().startswith(b"\x89PNG")
    assert (row.sha256, row.size_bytes) == (bracket().digest, len(bracket().content))
    assert (row.original_filename, row.mime_type, row.format) == ("bracket.3mf", "model/3mf", "3mf")
    part = QuotePart.objects.get()
    assert (part.quantity, part.is_watertight) == (1, True)
    assert part.size_x_mm == Decimal("60.00")


def fine_project():
    body = ProjectBody("Block", *box(20, 20, 20))
    wishes = {"layer_height": "0.12", "sparse_infill_density": "40%", "wall_loops": "4"}
    return quotes.Upload("project.3mf", write_project([ProjectThing("Block", (body,))], settings=wishes), "model/3mf")


def test_a_project_is_quoted_as_it_asks_where_nobody_says_otherwise():
    quote = quoted(files=[fine_project()])
    assert (quote.quality, quote.infill_percent) == ("fine", 40)
    assert "The project asks for 4 walls; it is quoted with 2." in quote.estimate_detail["warnings"]


def test_what_is_named_stands_before_what_a_project_asks():
    quote = quoted(files=[fine_project()], quality="draft", infill_percent=0)
    assert (quote.quality, quote.infill_percent) == ("draft", 0)


def test_a_model_without_wishes_is_quoted_as_usual():
    quote = quoted()
    assert (quote.quality, quote.infill_percent) == ("standard", 15)


def test_several_files_are_one_set():
    one, two = quoted(files=[bracket()]), quoted(files=[bracket(), cube()])
    assert QuoteFile.objects.filter(quote=two).count() == 2
    assert two.material_grams > one.material_grams
    assert len(two.estimate_detail["plates"]) == 2
    assert QuoteMaterial.objects.get(quote=two).grams == two.material_grams


def test_every_upload_is_logged_with_its_quote():
    quote = quoted(ip_address="192.0.2.7")
    row = FileUploadLog.objects.get()
    assert (row.quote, row.accepted, row.refusal, row.ip_address) == (quote, True, "", "192.0.2.7")
    assert row.file_hash == bracket().digest


@pytest.mark.parametrize(
    ("upload", "kind"),
    [
        (quotes.Upload("part.3mf", b"this is not a zip"), "FILE_FORMAT"),
        (quotes.Upload("part.3mf", b""), "FILE_FORMAT"),
        (quotes.Upload("part.3mf", bracket().content[:2000]), "FILE_DAMAGED"),
        (quotes.Upload("part.exe", bracket().content), "FILE_FORMAT"),
        (quotes.Upload("part.gcode.3mf.zip", bracket().content), "FILE_FORMAT"),
        (quotes.Upload("part.stl", cube().content), "FILE_FORMAT"),
        (quotes.Upload("part.step", b"ISO-10303-21;\nHEADER;"), "FILE_NEEDS_PERSON"),
    ],
)
def test_an_unusable_file_is_refused_and_logged(upload, kind, uploads):
    with pytest.raises(UnusableFile) as caught:
        quoted(files=[bracket(), upload])
    assert caught.value.code == "QUOTE_001"
    assert [(row["file"], row["kind"]) for row in caught.value.details["files"]] == [(upload.name, kind)]
    assert Quote.objects.count() == 0
    good, bad = FileUploadLog.objects.order_by("id")
    assert (good.accepted, bad.accepted, bad.file_hash) == (True, False, upload.digest)
    assert bad.refusal
    assert not list(uploads.rglob("*.*"))


def test_a_file_over_the_limit_is_refused_and_its_true_size_logged(settings):
    settings.MAX_UPLOAD_SIZE_MB = settings.MAX_FILE_SIZE_MB = 1
    too_large = quotes.Upload("big.stl", b"", size=5_000_000, sha256="ab" * 32)
    with pytest.raises(UnusableFile) as caught:
        quoted(files=[too_large])
    assert caught.value.details["files"][0]["kind"] == "FILE_TOO_LARGE"
    row = FileUploadLog.objects.get()
    assert (row.file_size_bytes, row.file_hash, row.accepted) == (5_000_000, "ab" * 32, False)


def test_files_that_are_too_large_together_are_refused_and_not_kept_in_memory(settings):
    settings.MAX_UPLOAD_SIZE_MB = 1
    halves = [SimpleUploadedFile(f"{name}.stl", name.encode() * 600_000) for name in "ab"]
    first, second = quotes.Upload.of(halves)
    assert (first.is_kept, second.is_kept, second.content, second.byte_count) == (True, False, b"", 600_000)
    with pytest.raises(UnusableFile) as caught:
        quoted(files=[bracket(), second])
    assert "together" in caught.value.details["files"][0]["reason"]


def test_the_same_file_twice_is_refused():
    with pytest.raises(UnusableFile) as caught:
        quoted(files=[bracket("a.3mf"), bracket("b.3mf")])
    assert caught.value.details["files"][0]["kind"] == "FILE_DUPLICATE"


@pytest.mark.parametrize(
    ("wish", "error"),
    [
        ({"quantity": 0}, InvalidValue),
        ({"quantity": -1}, InvalidValue),
        ({"quantity": 10**9}, InvalidValue),
        ({"infill_percent": 101}, InvalidValue),
        ({"quality": "perfect"}, InvalidValue),
        ({"finish": "gold"}, InvalidValue),
        ({"rush": "yesterday"}, InvalidValue),
        ({"product_name": "x" * 201}, InvalidValue),
        ({"special_instructions": "x" * 5001}, InvalidValue),
        ({"material_type": "UNOBTAINIUM"}, MaterialNotFound),
        ({"color": "Purple"}, MaterialNotAvailable),
        ({"color": "#123456"}, MaterialNotAvailable),
        ({"files": []}, TooManyFiles),
    ],
)
def test_a_wish_that_cannot_be_met_is_refused_and_the_file_logged(wish, error):
    with pytest.raises(error):
        quoted(**wish)
    assert Quote.objects.count() == 0
    assert FileUploadLog.objects.filter(accepted=True).count() == 0
    assert FileUploadLog.objects.count() == (0 if "files" in wish else 1)


def test_the_codes_fixed_by_the_owner():
    with pytest.raises(BLB3DError) as no_material:
        quoted(material_type="WOOD")
    with pytest.raises(BLB3DError) as no_color:
        quoted(color="Purple")
    assert (no_material.value.code, no_color.value.code) == ("MATERIAL_001", "QUOTE_002")
    assert no_color.value.details["colors"] == ["Black", "White"]


def test_an_inactive_material_cannot_be_quoted(materials):
    petg = materials["petg"]
    petg.is_active = False
    petg.save()
    with pytest.raises(MaterialNotFound):
        quoted(material_type="PETG")


@pytest.mark.parametrize("color", ["White", "white", "ffffff", "#FFFFFF"])
def test_a_colour_is_named_or_given_as_hex(color, materials):
    quote = quoted(color=color)
    assert (quote.material, quote.color_name, quote.color_hex) == (materials["white"], "White", "FFFFFF")
    assert quote.materials.get().material == materials["white"]


def test_without_a_colour_the_filament_stays_open():
    quote = quoted()
    assert (quote.material, quote.color_hex, quote.materials.get().material) == (None, "", None)


def test_a_stranger_cannot_ask_for_another_customer():
    buyer = member()
    with pytest.raises(NotAllowed):
        quotes.create_quote(request(buyer), actor=stranger())
    assert Quote.objects.count() == 0
    assert FileUploadLog.objects.get().accepted is False


def test_a_failure_while_writing_leaves_nothing_behind(uploads):
    buyer = member()
    checked = quotes.check_request(request(buyer, files=[bracket(), cube()]), actor=buyer.user)
    # The second file's row cannot be written: the first one's is there already when that is found out.
    first, second = checked.files
    twin = replace(second, upload=replace(second.upload, content=first.upload.content))
    broken = replace(checked, files=(first, twin))
    with pytest.raises(Exception, match=r"(?i)unique"):
        quotes.write_quote(broken, actor=buyer.user)
    assert Quote.objects.count() == 0
    assert not [path for path in uploads.rglob("*") if path.is_file()]
    assert FileUploadLog.objects.count() == 2


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("../../etc/passwd.3mf", "passwd.3mf"),
        ("C:\\parts\\Träger 2.3MF", "Tr_ger_2.3mf"),
        ("..3mf", "model"),
        ("$(rm -rf).stl", "rm_-rf.stl"),
        ("x" * 300 + ".3mf", "x" * 80 + ".3mf"),
    ],
)
def test_stored_names_are_safe_on_every_file_system(name, stored):
    assert safe_name(quotes.Upload(name, b"").plain_name).startswith(stored[:80])


def test_a_hostile_name_is_stored_below_its_folder_and_shown_plainly(uploads):
    quote = quoted(files=[bracket("../../../evil\x00<b>.3mf")])
    row = quote.files.get()
    assert row.original_filename == "evil<b>.3mf"
    stored = (uploads / row.file.name).resolve()
    assert stored.is_file()
    assert stored.is_relative_to(uploads.resolve())


def test_large_files_are_priced_by_a_worker(settings):
    settings.QUOTE_SYNC_MAX_MB = 0
    quote = quoted(quantity=3)
    assert (quote.status, quote.unit_price, quote.processing_note) == ("draft", None, READING)
    outbox.drain()
    quote.refresh_from_db()
    assert (quote.status, quote.processing_note) == ("approved", "")
    assert quote.unit_price > 0
    assert quote.parts.count() == 1
    assert quote.files.get().thumbnail
    before = (quote.version, quote.priced_at)
    quotes.read_uploaded_quote(quote.pk, actor=system_actor())
    quote.refresh_from_db()
    assert (quote.version, quote.priced_at) == before


def test_a_large_file_that_turns_out_unusable_leaves_a_draft_that_says_why(settings):
    settings.QUOTE_SYNC_MAX_MB = 0
    quote = quoted(files=[quotes.Upload("part.3mf", b"PK\x03\x04 no model at all")])
    outbox.drain()
    quote.refresh_from_db()
    assert (quote.status, quote.unit_price) == ("draft", None)
    assert "damaged" in quote.processing_note
    assert FileUploadLog.objects.get().accepted is False


def test_an_engineer_looks_at_what_cannot_be_priced(settings):
    settings.ALLOWED_FILE_EXTENSIONS = [".gcode"]
    bare = quotes.Upload("part.gcode", b"G28\nG1 X10 Y10 E1\n")
    with pytest.raises(UnusableFile) as caught:
        quoted(files=[bare])
    assert caught.value.details["files"][0]["kind"] == "FILE_NEEDS_PERSON"
    quote = quoted(files=[bare], is_for_engineer=True)
    assert (quote.status, quote.unit_price) == ("pending", None)
    assert list(quote.approvals.values_list("required_when", flat=True)) == ["LOW_CONFIDENCE"]


def test_a_part_larger_than_every_printer_needs_a_person():
    quote = quoted(files=[cube(300)])
    assert quote.status == "pending"
    assert "larger than the printers" in quote.estimate_detail["needs_person"]


def test_a_guests_quote_waits_as_a_draft_and_is_taken_over():
    visit = start_visit(ip_address="192.0.2.9", user_agent="test")
    guest = quotes.create_quote(request(visit=visit, submit=False), actor=system_actor())
    assert (guest.status, guest.user, guest.customer) == ("draft", None, None)
    assert guest.unit_price > 0
    assert FileUploadLog.objects.get().session_id == visit.session_id
    buyer = member()
    (claimed,) = quotes.claim_quotes(visit, actor=buyer.user)
    assert (claimed.pk, claimed.status, claimed.user, claimed.customer) == (
        guest.pk, "approved", buyer.user, buyer.customer,
    )  # fmt: skip
    assert quotes.claim_quotes(visit, actor=stranger()) == []
    assert Quote.objects.get().customer == buyer.customer


def test_a_guests_quote_in_a_material_that_is_gone_is_taken_over_without_a_price(materials):
    visit = start_visit(ip_address=None, user_agent="test")
    quotes.create_quote(request(visit=visit, submit=False), actor=system_actor())
    for name in ("black", "white"):
        materials[name].is_active = False
        materials[name].save()
    buyer = member()
    (claimed,) = quotes.claim_quotes(visit, actor=buyer.user)
    claimed.refresh_from_db()
    assert (claimed.customer, claimed.status, claimed.total_price) == (buyer.customer, "draft", None)
    assert claimed.processing_note == "Material not found or inactive."


def test_a_tax_exempt_customer_takes_over_a_guests_quote_without_tax():
    visit = start_visit(ip_address=None, user_agent="test")
    guest = quotes.create_quote(request(visit=visit, submit=False), actor=system_actor())
    assert guest.tax > 0
    buyer = member()
    buyer.customer.tax_exempt = True
    buyer.customer.save()
    (claimed,) = quotes.claim_quotes(visit, actor=buyer.user)
    assert (claimed.tax, claimed.total_price) == (Decimal(0), claimed.subtotal)


def test_a_file_in_inches_is_priced_in_inches():
    small, large = quoted(files=[cube(1)]), quoted(files=[cube(1, unit="inch")])
    assert large.material_grams > small.material_grams
    assert large.parts.get().size_x_mm == Decimal("25.40")
