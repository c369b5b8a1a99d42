"""The HTTP interface of quotes: who sees what, what is refused, and that repeats change nothing."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from rest_framework.test import APIClient

from quotes.models import FileUploadLog, Quote
from quotes.tests.factories import bracket, cube, member, quoted, stranger
from sales.models import SalesOrder
from sales.tests.factories import ADDRESS, staff

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("materials", "uploads")]

URL = "/api/v1/quotes"
SHIPPING = {
    "shipping_name": ADDRESS.name,
    "shipping_address_line1": ADDRESS.line1,
    "shipping_city": ADDRESS.city,
    "shipping_state": ADDRESS.state,
    "shipping_zip": ADDRESS.zip,
}


def client_of(user=None):
    client = APIClient()
    if user is not None:
        client.force_authenticate(user)
    return client


def a_file(upload=None):
    upload = upload or bracket()
    return SimpleUploadedFile(upload.name, upload.content, content_type="application/octet-stream")


def post_quote(client, **fields):
    key = fields.pop("key", None)
    headers = {"Idempotency-Key": key} if key else {}
    body = {"files": a_file(), "material_type": "PLA", "quantity": "10", **fields}
    return client.post(URL, {name: value for name, value in body.items() if value is not None}, format="multipart",
                       headers=headers)  # fmt: skip


def test_files_are_priced_at_once():
    buyer = member()
    answer = post_quote(client_of(buyer.user), files=[a_file(), a_file(cube())], customer_po_number="4711")
    body = answer.json()
    assert answer.status_code == 201
    quote = Quote.objects.get()
    assert (body["id"], body["quote_number"], body["status"]) == (quote.pk, quote.quote_number, "approved")
    assert (body["quantity"], body["material_type"], body["customer_po_number"]) == (10, "PLA", "4711")
    assert (body["unit_price"], body["total_price"]) == (str(quote.unit_price), str(quote.total_price))
    assert [file["file_name"] for file in body["files"]] == ["bracket.3mf", "cube.3mf"]
    assert body["files"][0]["parts"][0]["size_x_mm"] == "60.00"
    (material,) = body["materials"]
    assert (material["material_type"], material["grams"], material["sku"]) == ("PLA", body["material_grams"], None)
    assert [line["key"] for line in body["price_breakdown"]][:3] == ["material", "machine", "setup"]
    assert set(body["estimate"]) == {"method", "confidence", "fallback_reason", "sets_per_plate"}
    assert (body["approvals"], body["sales_order_id"]) == ([], None)
    assert body["available_actions"] == ["ask_changes", "accept", "reject", "cancel", "comment"]
    assert answer["ETag"] == f'"{quote.version}"'


def test_large_files_answer_202(settings):
    settings.QUOTE_SYNC_MAX_MB = 0
    answer = post_quote(client_of(member().user))
    body = answer.json()
    assert (answer.status_code, body["status"], body["unit_price"]) == (202, "draft", None)
    assert "reading your file" in body["processing_note"]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"files": SimpleUploadedFile("x.3mf", b"nonsense")}, "QUOTE_001"),
        ({"files": SimpleUploadedFile("x.3mf", b"")}, "QUOTE_001"),
        ({"files": None}, "VALID_001"),
        ({"quantity": "0"}, "VALID_001"),
        ({"quantity": str(10**9)}, "VALID_001"),
        ({"quantity": "many"}, "VALID_001"),
        ({"material_type": "WOOD"}, "MATERIAL_001"),
        ({"color": "Purple"}, "QUOTE_002"),
        ({"unit_price": "0.01"}, "VALID_002"),
        ({"status": "approved"}, "VALID_002"),
        ({"payment": "free"}, "VALID_002"),
    ],
)
def test_what_cannot_be_quoted_is_refused_with_its_code(fields, code):
    answer = post_quote(client_of(member().user), **fields)
    assert (answer.status_code, answer.json()["error_code"]) == (400, code)
    assert set(answer.json()) == {"error_code", "message", "details"}
    assert Quote.objects.count() == 0


def test_a_refused_file_is_in_the_log_although_the_request_failed():
    answer = post_quote(client_of(member().user), files=SimpleUploadedFile("x.3mf", b"nonsense"), key="k-1")
    assert answer.status_code == 400
    row = FileUploadLog.objects.get()
    assert (row.filename, row.accepted, row.quote, row.ip_address) == ("x.3mf", False, None, "127.0.0.1")


def test_the_same_key_gives_the_first_answer_and_another_body_is_refused():
    client = client_of(member().user)
    first, again = (post_quote(client, key="k-1") for _ in range(2))
    other = post_quote(client, key="k-1", quantity="11")
    assert first.json() == again.json()
    assert (again.status_code, again["Idempotency-Replayed"]) == (201, "true")
    assert (other.status_code, other.json()["error_code"]) == (422, "VALID_005")
    assert Quote.objects.count() == 1


def test_a_draft_is_changed_and_priced_again():
    buyer = member()
    client = client_of(buyer.user)
    draft = post_quote(client, submit="false").json()
    assert draft["status"] == "draft"
    changed = client.patch(f"{URL}/{draft['id']}", {"quantity": 20, "version": draft["version"]})
    assert (changed.status_code, changed.json()["quantity"]) == (200, 20)
    stale = client.patch(f"{URL}/{draft['id']}", {"quantity": 30}, headers={"If-Match": f'"{draft["version"]}"'})
    assert (stale.status_code, stale.json()["error_code"]) == (409, "CONFLICT_001")
    assert stale.json()["details"]["version"] == changed.json()["version"]
    assert Quote.objects.get().quantity == 20
    submitted = client.post(f"{URL}/{draft['quote_number']}/submit")
    assert submitted.json()["status"] == "approved"
    late = client.patch(f"{URL}/{draft['id']}", {"quantity": 30})
    assert (late.status_code, late.json()["error_code"]) == (409, "QUOTE_008")


@pytest.mark.parametrize("method", ["patch", "post"])
def test_accepting_twice_gives_the_same(method):
    buyer = member()
    quote = quoted(buyer)
    client = client_of(buyer.user)
    accept = getattr(client, method)
    first, again = (accept(f"{URL}/{quote.pk}/accept", SHIPPING) for _ in range(2))
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    assert first.json()["status"] == "converted"
    order = SalesOrder.objects.get()
    assert (first.json()["sales_order_id"], order.shipping_city) == (order.pk, ADDRESS.city)


def test_an_accept_that_pays_is_repeated_with_another_card_after_a_decline():
    buyer = member()
    quote = quoted(buyer)
    client = client_of(buyer.user)
    body = {**SHIPPING, "payment": {"method": "card", "token": "tok_declined"}}
    declined = client.patch(f"{URL}/{quote.pk}/accept", body, headers={"Idempotency-Key": "a"})
    assert (declined.status_code, declined.json()["error_code"]) == (402, "PAYMENT_001")
    assert (SalesOrder.objects.get().status, SalesOrder.objects.get().payment_status) == ("pending", "pending")
    body["payment"]["token"] = "tok_ok"
    refused = client.patch(f"{URL}/{quote.pk}/accept", body, headers={"Idempotency-Key": "a"})
    assert refused.status_code == 422
    paid = client.patch(f"{URL}/{quote.pk}/accept", body, headers={"Idempotency-Key": "b"})
    assert (paid.status_code, SalesOrder.objects.get().payment_status) == (200, "paid")


def test_an_expired_quote_is_refused():
    buyer = member()
    quote = quoted(buyer)
    Quote.objects.filter(pk=quote.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    client = client_of(buyer.user)
    answer = client.patch(f"{URL}/{quote.pk}/accept")
    assert (answer.status_code, answer.json()["error_code"]) == (409, "QUOTE_003")
    assert "accept" not in client.get(f"{URL}/{quote.pk}").json()["available_actions"]


def test_a_stale_accept_is_refused():
    buyer = member()
    quote = quoted(buyer)
    answer = client_of(buyer.user).patch(f"{URL}/{quote.pk}/accept", {"version": quote.version - 1})
    assert (answer.status_code, answer.json()["error_code"]) == (409, "CONFLICT_001")
    assert Quote.objects.get().status == "approved"


def test_converting_needs_an_accepted_quote_and_an_address_and_is_repeatable():
    buyer = member()
    quote = quoted(buyer)
    client = client_of(buyer.user)
    url = f"/api/v1/sales-orders/convert/{quote.pk}"
    assert client.post(url, SHIPPING).json()["error_code"] == "CONFLICT_002"
    client.patch(f"{URL}/{quote.pk}/accept")
    assert client.post(url).json()["error_code"] == "QUOTE_006"
    unknown = client.post(url, {**SHIPPING, "shipping_planet": "Mars"})
    assert (unknown.json()["error_code"], unknown.json()["details"]["unknown"]) == ("VALID_002", ["shipping_planet"])
    first, again = client.post(url, SHIPPING), client.post(f"/api/v1/sales-orders/convert/{quote.quote_number}/")
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json()["id"] == again.json()["id"] == SalesOrder.objects.get().pk
    assert (first.json()["quote_id"], first.json()["order_type"]) == (quote.pk, "quote_based")


def test_the_lists_filters():
    buyer = member()
    quoted(buyer, product_name="Clip")
    quoted(buyer, special_instructions="Look at it")
    client = client_of(buyer.user)
    assert client.get(URL).json()["count"] == 2
    assert client.get(f"{URL}/?status=approved").json()["results"][0]["product_name"] == "Clip"
    assert client.get(f"{URL}?needs_review=true").json()["results"][0]["status"] == "pending"
    assert client.get(f"{URL}?search=Clip").json()["count"] == 1


def test_a_list_costs_the_same_however_long_it_is(django_assert_num_queries):
    buyer = member()
    client = client_of(buyer.user)
    for number in range(2):
        quoted(buyer, special_instructions=str(number))
    client.get(URL)
    with django_assert_num_queries(5):
        client.get(URL)
    for number in range(3):
        quoted(buyer, special_instructions=str(number), files=[bracket(), cube()])
    with django_assert_num_queries(5):
        assert client.get(URL).json()["count"] == 5


def test_quotes_made_are_limited(settings):
    settings.RATE_LIMIT_QUOTES = "1/min"
    client = client_of(member().user)
    assert post_quote(client).status_code == 201
    answer = post_quote(client)
    assert (answer.status_code, answer.json()["error_code"]) == (429, "RATE_001")
    assert int(answer["Retry-After"]) > 0
    assert client.get(URL).status_code == 200


def test_staff_quote_for_a_customer_and_a_customer_only_for_itself():
    buyer = member()
    clerk = staff("quotes.add_quote", "quotes.view_quote", "quotes.submit_quote")
    answer = post_quote(client_of(clerk), customer_id=str(buyer.customer_id))
    assert (answer.status_code, answer.json()["customer_id"]) == (201, buyer.customer_id)
    assert Quote.objects.get().user is None
    refused = post_quote(client_of(stranger()), customer_id=str(buyer.customer_id))
    assert (refused.status_code, refused.json()["error_code"]) == (403, "PERM_001")


#: (method, path below the quote, body) -> status for: nobody, a stranger, the customer, staff without rights, staff.
MATRIX = [
    ("get", "", None, (401, 404, 200, 403, 200)),
    ("patch", "", {"quantity": 2}, (401, 404, 409, 403, 409)),
    ("patch", "/accept", {}, (401, 404, 409, 403, 409)),
    ("post", "/approve", {}, (401, 404, 403, 403, 200)),
    ("post", "/request-changes", {"reason": "?"}, (401, 404, 403, 403, 200)),
    ("post", "/reprice", {}, (401, 404, 403, 403, 200)),
    ("post", "/reject", {}, (401, 404, 200, 403, 200)),
    ("patch", "/reject", {}, (401, 404, 200, 403, 200)),
    ("post", "/cancel", {}, (401, 404, 200, 403, 200)),
    ("post", "/submit", {}, (401, 404, 409, 403, 409)),
]


@pytest.mark.parametrize(("method", "path", "body", "expected"), MATRIX, ids=lambda value: str(value)[:20])
def test_who_may_do_what(method, path, body, expected):
    steps = ("view", "change", "approve", "request_changes", "reject", "cancel", "submit", "accept", "reprice")
    rights = [f"quotes.{step}_quote" for step in steps]
    answers = []
    for who in ("nobody", "stranger", "customer", "clerk", "staff"):
        buyer = member()
        quote = quoted(buyer, special_instructions="For review")
        user = {
            "nobody": None, "stranger": stranger(), "customer": buyer.user, "clerk": staff("sales.view_customer"),
            "staff": staff(*rights),
        }[who]  # fmt: skip
        answers.append(getattr(client_of(user), method)(f"{URL}/{quote.pk}{path}", body).status_code)
    assert tuple(answers) == expected


def test_a_strangers_quote_is_not_found_in_any_list_or_order():
    quote = quoted()
    client = client_of(stranger())
    assert client.get(URL).json()["count"] == 0
    assert client.post(f"/api/v1/sales-orders/convert/{quote.pk}", SHIPPING).status_code == 404
    assert client.get(f"{URL}/{quote.quote_number}").status_code == 404
    assert client.get(f"{URL}/{10**30}").status_code == 404
    assert json.loads(client.get(f"{URL}/nonsense").content)["error_code"] == "NOT_FOUND_001"


def test_a_colleague_sees_the_companys_quotes():
    buyer = member()
    quote = quoted(buyer)
    colleague = member(role="BUYER", customer=buyer.customer)
    assert client_of(colleague.user).get(f"{URL}/{quote.pk}").status_code == 200


def test_approvals_are_shown_to_staff_only():
    buyer = member()
    quote = quoted(buyer, special_instructions="For review")
    seen = client_of(staff("quotes.view_quote")).get(f"{URL}/{quote.pk}").json()
    assert [(row["rule"], row["level"], row["status"]) for row in seen["approvals"]] == [
        ("HAS_INSTRUCTIONS", 1, "PENDING")
    ]
    assert client_of(buyer.user).get(f"{URL}/{quote.pk}").json()["approvals"] == []
