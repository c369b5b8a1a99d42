"""Files and parts over HTTP: saved by who may see the quote, changed while it is a draft."""

from __future__ import annotations

import pytest

from quotes.tests.factories import bracket, cube, member, quoted, stranger
from quotes.tests.test_parts import stl
from quotes.tests.test_quotes_api import URL, a_file, client_of, post_quote

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("materials", "uploads")]


@pytest.fixture
def buyer():
    return member()


@pytest.fixture
def draft(buyer):
    return quoted(buyer, files=[bracket(), stl(20)], submit=False)


def test_a_file_is_saved_as_it_was_sent(draft, buyer):
    row = draft.files.earliest("pk")
    answer = client_of(buyer.user).get(f"{URL}/{draft.quote_number}/files/{row.pk}")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/octet-stream")
    assert answer["Content-Disposition"] == 'attachment; filename="bracket.3mf"'
    assert b"".join(answer.streaming_content) == bracket().content


def test_a_stranger_and_nobody_get_no_file(draft, buyer):
    path = f"{URL}/{draft.pk}/files/{draft.files.earliest('pk').pk}"
    assert client_of(stranger()).get(path).status_code == 404
    assert client_of().get(path).status_code == 401
    other = quoted(buyer, files=[cube()])
    assert client_of(buyer.user).get(f"{URL}/{other.pk}/files/{draft.files.earliest('pk').pk}").status_code == 404


def test_a_held_file_is_409(draft, buyer):
    row = draft.files.earliest("pk")
    draft.files.filter(pk=row.pk).update(scan_result="held")
    answer = client_of(buyer.user).get(f"{URL}/{draft.pk}/files/{row.pk}")
    assert (answer.status_code, answer.json()["error_code"]) == (409, "FILE_004")


@pytest.mark.parametrize("slash", ["", "/"])
def test_quantities_of_parts_are_set_and_priced(draft, buyer, slash):
    client = client_of(buyer.user)
    shown = client.get(f"{URL}/{draft.pk}").json()
    part = shown["files"][0]["parts"][0]
    body = {"parts": [{"id": part["id"], "quantity": 5}]}
    answer = client.patch(f"{URL}/{draft.pk}/parts{slash}", body, format="json")
    assert answer.status_code == 200
    assert answer.json()["files"][0]["parts"][0]["quantity"] == 5
    assert float(answer.json()["unit_price"]) > float(shown["unit_price"])


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([], "VALID_001"),
        ([{"id": 0, "quantity": 1}], "VALID_001"),
        ([{"id": "part", "quantity": -1}], "VALID_001"),
        ([{"id": "part", "quantity": "many"}], "VALID_001"),
        ([{"id": "part", "quantity": 1}, {"id": "part", "quantity": 2}], "VALID_001"),
        ([{"id": "part", "quantity": 1, "colour": "red"}], "VALID_002"),
    ],
)
def test_impossible_quantities_are_refused(draft, buyer, rows, code):
    part = draft.parts.earliest("pk").pk
    rows = [{**row, "id": part if row["id"] == "part" else row["id"]} for row in rows]
    answer = client_of(buyer.user).patch(f"{URL}/{draft.pk}/parts", {"parts": rows}, format="json")
    assert (answer.status_code, answer.json()["error_code"]) == (400, code)
    assert set(draft.parts.values_list("quantity", flat=True)) == {1}


def test_a_stale_version_and_a_closed_quote_are_409(draft, buyer):
    part, client = draft.parts.earliest("pk").pk, client_of(buyer.user)
    body = {"parts": [{"id": part, "quantity": 2}]}
    stale = client.patch(f"{URL}/{draft.pk}/parts", body, format="json", headers={"If-Match": f'"{draft.version - 1}"'})
    assert stale.status_code in (409, 412)
    client.post(f"{URL}/{draft.pk}/submit")
    assert client.patch(f"{URL}/{draft.pk}/parts", body, format="json").json()["error_code"] == "QUOTE_008"


def test_the_unit_of_an_stl_is_named_afterwards_or_with_the_upload(draft, buyer):
    client = client_of(buyer.user)
    row = draft.files.latest("pk")
    answer = client.patch(f"{URL}/{draft.pk}/files/{row.pk}", {"unit": "inch"}, format="json")
    assert answer.status_code == 200
    assert answer.json()["files"][1]["parts"][0]["size_x_mm"] == "508.00"
    bad = client.patch(f"{URL}/{draft.pk}/files/{row.pk}", {"unit": "mile"}, format="json")
    assert (bad.status_code, bad.json()["error_code"]) == (400, "VALID_001")
    new = post_quote(client, files=a_file(stl(2)), unit="inch", submit="false")
    assert new.status_code == 201
    assert new.json()["files"][0]["parts"][0]["size_x_mm"] == "50.80"
