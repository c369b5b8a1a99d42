"""Configuring a quote in the portal: files come in, the price moves, and only whoever may see a model can turn it."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone

from blb3d.core.templatetags.blb3d_ui import plain_number
from inventory.tests.factories import MaterialFactory
from quotes.modelfiles.make import box, write_3mf
from quotes.modelfiles.make_project import ProjectBody, ProjectThing, demo_two_colour_3mf, write_project
from quotes.models import Quote, QuoteFile
from quotes.tests.answers import put_down
from quotes.tests.factories import bracket, cube, quoted, stranger
from quotes.tests.test_portal import WISHES, a_file, buyer_with_client, logged_in, page

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("materials", "uploads")]

JSON = {"accept": "application/json"}


def stl(side=20):
    corners, faces = box(side, side, side)
    lines = ["solid cube"]
    for face in faces:
        lines.append("facet normal 0 0 0\nouter loop")
        lines += [f"vertex {' '.join(str(value) for value in corners[corner])}" for corner in face]
        lines.append("endloop\nendfacet")
    return "\n".join([*lines, "endsolid cube"]).encode()


def two_parts():
    return a_file("set.3mf", write_3mf([("Foot", *box(30, 20, 10)), ("Lid", *box(20, 20, 2))]))


def draft(client, *files, **fields):
    answer = client.post(page("quote-new"), {"files": list(files) or [a_file()], **fields})
    quote = Quote.objects.latest("pk")
    assert answer["Location"] == page("quote-configure", quote.pk)
    return quote


def test_a_script_is_told_where_the_price_is(client):
    answer = client.post(page("quote-new"), {"files": a_file()}, headers=JSON)
    assert answer.json() == {"location": page("quote-configure", Quote.objects.get().pk)}


def test_where_guests_are_kept_out_the_start_page_and_a_script_lead_to_the_log_in(client, settings):
    settings.PORTAL_GUEST_QUOTES = False
    html = client.get(page("home")).content.decode()
    assert "Prices are for customers" in html
    assert 'type="file"' not in html
    answer = client.post(page("quote-new"), {"files": a_file()}, headers=JSON)
    assert answer.json() == {"location": f"{page('login')}?next={page('quote-new')}"}
    assert Quote.objects.count() == 0


def test_every_refused_file_says_why_and_what_to_do(client):
    files = [a_file(), a_file("broken.3mf", b"no model"), a_file("twice.3mf")]
    answer = client.post(page("quote-new"), {"files": files}, headers=JSON)
    assert answer.status_code == 422
    assert answer.json()["files"] == [
        {
            "file": "broken.3mf",
            "reason": "Its name says 3MF, but its content is not 3MF.",
            "kind": "FILE_FORMAT",
            "advice": "Export the part from your CAD program as 3MF, STEP or STL.",
        },
        {
            "file": "twice.3mf",
            "reason": "It was sent twice. Ask for a higher quantity instead.",
            "kind": "FILE_DUPLICATE",
            "advice": "Leave the second one out.",
        },
    ]
    assert answer.json()["can_ask_engineer"] is False
    html = client.post(page("quote-new"), {"files": [a_file("broken.3mf", b"no model")]}).content.decode()
    assert "broken.3mf: Its name says 3MF, but its content is not 3MF. Export the part from your CAD" in html


def test_the_page_shows_what_is_in_stock_and_what_more_of_it_costs(client):
    MaterialFactory(color_name="Violet", color_hex="7700AA")
    html = client.get(page("quote-configure", draft(client).pk)).content.decode()
    assert "10 or more: \N{MINUS SIGN}5 %, 50: \N{MINUS SIGN}10 %, 100: \N{MINUS SIGN}15 %" in html
    assert "Rush<small>+25 %</small>" in html
    assert "Fine<small>0.12 mm</small>" in html
    swatches = html[html.index('id="swatches"') : html.index("Quantity</label>")]
    places = [swatches.index(f"<span>{words}</small>") for words in
              ("Black<small>in stock", "Violet<small>to order", "Grey<small>only PETG")]  # fmt: skip
    assert places == sorted(places)


def test_an_answer_of_the_live_price_brings_the_total_along(client):
    quote = draft(client)
    html = client.post(page("quote-price", quote.pk), {**WISHES, "quantity": 50}).content.decode()
    assert 'id="price-total" hx-swap-oob="true"' in html
    assert "50 ×" in html


def test_an_answer_of_the_live_price_says_what_the_wishes_make_of_the_filaments_and_the_warnings(client):
    quote = draft(client, a_file("badge.3mf", demo_two_colour_3mf()))
    shown = client.get(page("quote-configure", quote.pk)).content.decode()
    assert ('id="seen-filaments">' in shown, "Changing colours" in shown) == (True, True)
    live = client.post(page("quote-price", quote.pk), {**WISHES, "color_name": "Black"}).content.decode()
    assert re.search(r'id="seen-filaments" hx-swap-oob="true" hidden', live)
    assert ('id="seen-model" hx-swap-oob="true"' in live, "Changing colours" in live) == (True, False)


def test_what_was_chosen_is_kept_without_leaving_the_page(client):
    quote = draft(client)
    answer = client.post(page("quote-configure", quote.pk), {**WISHES, "quantity": 7, "stay": "yes"})
    assert answer["Location"] == page("quote-configure", quote.pk)
    quote.refresh_from_db()
    assert (quote.status, quote.quantity) == ("draft", 7)


def test_a_po_number_and_an_nda_are_wishes_too():
    _, client = buyer_with_client()
    quote = draft(client)
    client.post(page("quote-configure", quote.pk), {**WISHES, "customer_po_number": "4711", "is_under_nda": "on"})
    quote.refresh_from_db()
    assert (quote.customer_po_number, quote.is_under_nda, quote.status) == ("4711", True, "approved")


def test_a_set_is_as_many_of_each_part_as_the_customer_says(client):
    quote = draft(client, two_parts())
    foot, lid = quote.parts.order_by("pk")
    before = quote.material_grams
    counts = {f"part-{foot.pk}": 1, f"part-{lid.pk}": 4}
    assert "Pieces of Lid in a set" in client.get(page("quote-configure", quote.pk)).content.decode()
    client.post(page("quote-configure", quote.pk), {**WISHES, **counts})
    quote.refresh_from_db()
    lid.refresh_from_db()
    assert lid.quantity == 4
    assert quote.material_grams > before
    client.post(page("quote-configure", quote.pk), {**WISHES, **counts, f"part-{lid.pk}": 0})
    quote.refresh_from_db()
    assert quote.material_grams < before


def test_the_live_price_counts_the_parts_on_the_page(client):
    quote = draft(client, two_parts())
    counts = {f"part-{part.pk}": 100 for part in quote.parts.all()}
    html = client.post(page("quote-price", quote.pk), {**WISHES, **counts}).content.decode()
    assert f"${quote.total_price:,.2f}" not in html
    assert sorted(quote.parts.values_list("quantity", flat=True)) == [100, 100]


def test_an_impossible_count_is_said_and_nothing_changes(client):
    quote = draft(client, two_parts())
    part = quote.parts.order_by("pk").first()
    answer = client.post(page("quote-configure", quote.pk), {**WISHES, f"part-{part.pk}": -1})
    assert answer.status_code == 422
    assert "greater than or equal to 0" in answer.content.decode()
    part.refresh_from_db()
    assert part.quantity == 1


def test_a_file_without_a_unit_is_read_again_in_inches(client):
    quote = draft(client, a_file("cube.stl", stl(20)))
    row = quote.files.get()
    html = client.get(page("quote-configure", quote.pk)).content.decode()
    assert "read in <strong>millimetres</strong>, so it is 20 × 20 × 20 mm" in html
    answer = client.post(page("quote-configure", quote.pk), {**WISHES, "unit": f"{row.pk}:inch"})
    assert answer["Location"] == page("quote-configure", quote.pk)
    assert quote.parts.get().size_x_mm == Decimal("508.00")
    assert "It is in millimetres" in client.get(page("quote-configure", quote.pk)).content.decode()


def test_a_file_in_two_colours_shows_both_with_their_grams(client):
    quote = draft(client, a_file("badge.3mf", demo_two_colour_3mf()))
    html = client.get(page("quote-configure", quote.pk)).content.decode()
    assert "As in the file<small>2 colours" in html
    grams = [f"{plain_number(round(row.grams, 1))}\N{NO-BREAK SPACE}g" for row in quote.materials.all()]
    assert len(grams) == 2
    for weight in grams:
        assert weight in html
    client.post(page("quote-configure", quote.pk), {**WISHES, "color_name": "Black", "stay": "yes"})
    assert quote.materials.count() == 1
    assert "As in the file" in client.get(page("quote-configure", quote.pk)).content.decode()


def test_a_project_opens_with_the_layers_and_infill_that_it_asks_for(client):
    body = ProjectBody("Block", *box(20, 20, 20))
    asked = {"layer_height": "0.12", "sparse_infill_density": "40%"}
    content = write_project([ProjectThing("Block", (body,))], settings=asked)
    quote = draft(client, a_file("project.3mf", content))
    assert (quote.quality, quote.infill_percent) == ("fine", 40)
    quote = draft(client, a_file("project.3mf", content), **{**WISHES, "quality": "standard", "infill_percent": 20})
    assert (quote.quality, quote.infill_percent) == ("standard", 20)


def test_a_guest_finds_the_prices_of_this_browser_on_the_start_page(client):
    quote = draft(client)
    assert quote.quote_number in client.get(page("home")).content.decode()
    assert quote.quote_number not in Client().get(page("home")).content.decode()


def test_a_price_that_has_ended_says_so_and_what_to_do(client):
    quote = draft(client)
    Quote.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    html = client.get(page("quote-configure", quote.pk), follow=True).content.decode()
    assert "This price has ended." in html
    assert "Drop the file again" in html
    assert "Register to order" not in html
    buyer, member_client = buyer_with_client()
    own = quoted(buyer, submit=False)
    Quote.objects.filter(pk=own.pk).update(expires_at=timezone.now() - timedelta(minutes=1))
    html = member_client.get(page("quote-detail", own.pk)).content.decode()
    assert "Quote it again to see today" in html


def test_a_model_is_turned_by_whoever_may_see_the_quote():
    buyer, client = buyer_with_client()
    quote = quoted(buyer, submit=False)
    row = quote.files.get()
    address = f"{page('quote-file-mesh', quote.pk, row.pk)}?v={row.version}"
    assert f'data-mesh="{address}"' in client.get(page("quote-configure", quote.pk)).content.decode()
    with put_down(client.get(address)) as answer:
        assert (answer.status_code, answer["Content-Type"]) == (200, "model/gltf-binary")
        assert "private" in answer["Cache-Control"]
    assert Client().get(address).status_code == 404
    assert logged_in(stranger()).get(address).status_code == 404


def test_without_a_mesh_there_is_only_the_picture():
    buyer, client = buyer_with_client()
    quote = quoted(buyer, submit=False)
    QuoteFile.objects.update(viewer_mesh="")
    assert client.get(page("quote-file-mesh", quote.pk, quote.files.get().pk)).status_code == 404
    html = client.get(page("quote-configure", quote.pk)).content.decode()
    assert "data-mesh" not in html
    assert "Preview of bracket.3mf" in html


def test_several_files_are_priced_as_one_set_and_each_can_be_looked_at():
    buyer, client = buyer_with_client()
    quote = quoted(buyer, files=[bracket(), cube()], submit=False)
    html = client.get(page("quote-configure", quote.pk)).content.decode()
    assert html.count("data-show-mesh") == 2
    assert "60 × 40 × 60 mm" in html
    assert "20 × 20 × 20 mm" in html


def test_pages_of_a_quote_cost_the_same_for_one_file_and_for_five(django_assert_max_num_queries):
    buyer, client = buyer_with_client()
    quote = quoted(buyer, files=[cube(10 + side, f"cube{side}.3mf") for side in range(5)], submit=False)
    for name in ("quote-configure", "quote-detail"):
        with django_assert_max_num_queries(24):
            client.get(page(name, quote.pk))


def test_the_answer_to_a_script_names_nothing_that_was_not_asked(client):
    answer = client.post(page("quote-new"), {"quantity": "x", "material_type": "PLA"}, headers=JSON)
    assert answer.status_code == 422
    assert set(json.loads(answer.content)) == {"message", "files", "can_ask_engineer"}
