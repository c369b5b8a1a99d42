"""The customers' pages: what works without script, who sees what, and that nothing typed is lost."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from blb3d.accounts import services as accounts
from blb3d.accounts.models import PortalSession, User
from blb3d.accounts.tests.factories import PASSWORD
from blb3d.accounts.tests.factories import UserFactory as LoginFactory
from blb3d.core import outbox
from quotes import services as quotes
from quotes.models import FileUploadLog, Quote
from quotes.tests.answers import put_down
from quotes.tests.factories import bracket, member, quoted, request, stranger, system_actor
from sales.models import CustomerAddress, CustomerUser, Payment, SalesOrder
from sales.tests.factories import ADDRESS as HARBOUR
from sales.tests.factories import CustomerAddressFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("materials", "uploads")]

ADDRESS = {
    "shipping_name": "Buyer Example",
    "shipping_address_line1": "1 Harbour Street",
    "shipping_city": "Portland",
    "shipping_state": "OR",
    "shipping_zip": "97201",
    "shipping_country": "USA",
}
WISHES = {
    "material_type": "PLA",
    "quantity": 1,
    "quality": "standard",
    "infill_percent": 15,
    "finish": "standard",
    "rush": "standard",
}
NEW_USER = {
    "first_name": "Buyer",
    "last_name": "Example",
    "email": "Buyer@Example.com",
    "password": "a-long-portal-password",
}


def page(name, *args):
    return reverse(f"portal:{name}", args=args)


def a_file(name="bracket.3mf", content=None):
    return SimpleUploadedFile(name, bracket().content if content is None else content)


def logged_in(user):
    client = Client()
    client.force_login(user)
    return client


def buyer_with_client():
    buyer = member()
    return buyer, logged_in(buyer.user)


def upload(client, **fields):
    body = {"files": a_file(), **WISHES, **fields}
    return client.post(page("quote-new"), body)


def test_a_guest_sees_a_price_registers_and_owns_it(client):
    answer = client.post(page("quote-new"), {"files": a_file()})
    quote = Quote.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, page("quote-configure", quote.pk))
    assert (quote.status, quote.user, quote.customer) == ("draft", None, None)
    visit = PortalSession.objects.get()
    assert (quote.portal_session, visit.quotes_generated) == (visit, 1)

    answer = client.post(answer["Location"], {**WISHES, "quantity": 3, "quality": "fine"})
    assert answer["Location"] == page("quote-detail", quote.pk)
    seen = client.get(answer["Location"]).content.decode()
    quote.refresh_from_db()
    assert "Register to order" in seen
    assert f"${quote.total_price:,.2f}" in seen
    assert (quote.quantity, quote.quality) == (3, "fine")

    assert quote.quote_number in client.get(page("register")).content.decode()
    answer = client.post(page("register"), {**NEW_USER, "next": page("quote-detail", quote.pk)})
    assert answer["Location"] == page("quote-detail", quote.pk)
    quote.refresh_from_db()
    user = User.objects.get(email="buyer@example.com")
    assert (quote.status, quote.user, quote.customer) == ("approved", user, user.customer_user.customer)
    visit.refresh_from_db()
    assert (visit.user, visit.email) == (user, user.email)
    assert "Accept this quote" in client.get(page("quote-detail", quote.pk)).content.decode()


def test_a_guest_who_logs_in_takes_the_quote_along(client):
    user = LoginFactory()
    buyer = member(user=user)
    upload(client)
    answer = client.post(page("login"), {"username": f"  {user.email.upper()} ", "password": PASSWORD})
    quote = Quote.objects.get()
    assert answer["Location"] == page("quote-detail", quote.pk)
    assert (quote.customer, quote.status) == (buyer.customer, "approved")


def test_another_guest_finds_nothing(client):
    upload(client)
    quote = Quote.objects.get()
    for path in (page("quote-detail", quote.pk), page("quote-configure", quote.pk),
                 page("quote-file", quote.pk, quote.files.get().pk)):  # fmt: skip
        assert Client().get(path).status_code == 404
        with put_down(client.get(path)) as answer:
            assert answer.status_code in {200, 302}


def test_guests_can_be_kept_out(client, settings):
    settings.PORTAL_GUEST_QUOTES = False
    answer = client.post(page("quote-new"), {"files": a_file()})
    assert answer["Location"].startswith(page("login"))
    assert (Quote.objects.count(), FileUploadLog.objects.count()) == (0, 0)


def test_a_refused_file_is_said_beside_the_field_and_what_was_typed_is_kept():
    _, client = buyer_with_client()
    answer = upload(client, files=a_file(content=b"no model"), quantity=7, special_instructions="Flat side down")
    html = answer.content.decode()
    assert answer.status_code == 422
    assert "Its name says 3MF, but its content is not 3MF." in html
    assert 'value="7"' in html
    assert "Flat side down" in html
    assert FileUploadLog.objects.get().accepted is False


def test_a_step_file_can_be_given_to_an_engineer():
    _, client = buyer_with_client()
    step = a_file("part.step", b"ISO-10303-21;\nHEADER;")
    assert "Ask an engineer" in upload(client, files=step).content.decode()
    answer = upload(client, files=a_file("part.step", b"ISO-10303-21;\nHEADER;"), ask="engineer")
    quote = Quote.objects.get()
    assert (quote.status, answer["Location"]) == ("pending", page("quote-detail", quote.pk))
    assert "There is no price yet" in client.get(answer["Location"]).content.decode()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"quantity": 0}, "greater than or equal to 1"),
        ({"quantity": 10**9}, "less than or equal to"),
        ({"color_name": "Purple"}, "not available in that colour"),
        ({"material_type": "WOOD"}, "not one of the available choices"),
    ],
)
def test_a_wish_that_cannot_be_met_is_said(fields, words):
    _, client = buyer_with_client()
    answer = upload(client, **fields)
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert Quote.objects.count() == 0


def test_the_price_moves_while_configuring_and_nothing_is_saved():
    buyer, client = buyer_with_client()
    quote = quoted(buyer, submit=False)
    wishes = {**WISHES, "quantity": 50}
    shown = client.post(page("quote-price", quote.pk), wishes).content.decode()
    assert "50 ×" in shown
    assert "Quantity discount 10%" in shown
    refused = client.post(page("quote-price", quote.pk), {**wishes, "color_name": "Purple"}).content.decode()
    assert "not available in that colour" in refused
    quote.refresh_from_db()
    assert quote.quantity == 1


def test_a_price_that_was_offered_after_the_page_was_opened_is_not_accepted_unseen():
    buyer = member()
    quote = quoted(buyer)
    client = logged_in(buyer.user)
    body = {**ADDRESS, "payment_method": "bank_transfer", "version": quote.version}
    assert f'name="version" value="{quote.version}"' in client.get(page("quote-detail", quote.pk)).content.decode()
    dearer = quote.unit_price + 1
    quotes.offer_price(quote, unit_price=dearer, reason="The material is dearer", actor=system_actor())
    answer = client.post(page("quote-accept", quote.pk), body)
    quote.refresh_from_db()
    assert (answer.status_code, quote.status, SalesOrder.objects.exists()) == (422, "approved", False)
    html = answer.content.decode()
    assert "changed meanwhile" in html
    assert f'name="version" value="{quote.version}"' in html
    client.post(page("quote-accept", quote.pk), {**body, "version": quote.version})
    assert SalesOrder.objects.get().subtotal == dearer


def test_accepting_asks_for_address_and_payment_and_leads_to_the_order():
    buyer, client = buyer_with_client()
    quote = quoted(buyer)
    seen = client.get(page("quote-detail", quote.pk)).content.decode()
    assert "Ship to" in seen
    body = {**ADDRESS, "customer_po_number": "4711", "payment_method": "card:tok_ok"}
    answer = client.post(page("quote-accept", quote.pk), body)
    order = SalesOrder.objects.get()
    assert answer["Location"] == page("order-detail", order.pk)
    assert (order.status, order.payment_status, order.customer_po_number) == ("confirmed", "paid", "4711")
    assert order.shipping_address_line1 == "1 Harbour Street"
    kept = CustomerAddress.objects.get()
    assert (kept.is_default, kept.postal_code) == (True, "97201")
    assert order.order_number in client.get(page("quote-detail", quote.pk)).content.decode()
    again = client.post(page("quote-accept", quote.pk), body)
    assert again["Location"] == answer["Location"]
    assert (SalesOrder.objects.count(), Payment.objects.count()) == (1, 1)


def test_a_saved_address_is_enough():
    buyer, client = buyer_with_client()
    CustomerAddressFactory(customer=buyer.customer, is_default=True)
    quote = quoted(buyer)
    saved = CustomerAddress.objects.get()
    client.post(page("quote-accept", quote.pk), {"address": saved.pk, "payment_method": "bank_transfer"})
    order = SalesOrder.objects.get()
    assert (order.shipping_address_line1, order.status) == (saved.address_line1, "pending")
    assert "We wait for your bank transfer" in client.get(page("order-detail", order.pk)).content.decode()


def test_the_name_that_stands_in_the_form_of_a_new_address_does_not_begin_one():
    buyer, client = buyer_with_client()
    saved = CustomerAddressFactory(customer=buyer.customer, is_default=True)
    buyer.user.first_name, buyer.user.last_name = "Goods", "In"
    buyer.user.save()
    quote = quoted(buyer)
    blank = dict.fromkeys(("company", "address_line1", "address_line2", "city", "state", "zip"), "")
    as_shown = {"shipping_name": buyer.user.get_full_name(), "shipping_country": "USA"}
    as_shown |= {f"shipping_{name}": value for name, value in blank.items()}
    assert f'value="{as_shown["shipping_name"]}"' in client.get(page("quote-detail", quote.pk)).content.decode()
    body = {"address": saved.pk, "payment_method": "bank_transfer", "customer_po_number": "", **as_shown}
    assert client.post(page("quote-accept", quote.pk), body).status_code == 302
    assert SalesOrder.objects.get().shipping_address_line1 == saved.address_line1


def test_an_incomplete_address_is_said_and_nothing_happens():
    buyer, client = buyer_with_client()
    quote = quoted(buyer)
    answer = client.post(page("quote-accept", quote.pk), {"payment_method": "card:tok_ok", "shipping_city": "Portland"})
    assert answer.status_code == 422
    assert "This field is required" in answer.content.decode()
    assert (Quote.objects.get().status, SalesOrder.objects.count()) == ("approved", 0)


def test_a_declined_card_leads_to_paying_again():
    buyer, client = buyer_with_client()
    quote = quoted(buyer)
    answer = client.post(page("quote-accept", quote.pk), {**ADDRESS, "payment_method": "card:tok_declined"})
    order = SalesOrder.objects.get()
    assert answer["Location"] == page("order-pay", order.pk)
    assert "declined" in client.get(answer["Location"]).content.decode()
    refused = client.post(answer["Location"], {"payment_method": "card:tok_declined"})
    assert (refused.status_code, "another card" in refused.content.decode()) == (422, True)
    paid = client.post(answer["Location"], {"payment_method": "card:tok_ok"})
    order.refresh_from_db()
    assert (paid["Location"], order.payment_status) == (page("order-detail", order.pk), "paid")


def test_a_buyer_over_the_limit_is_told_who_can():
    buyer, client = buyer_with_client()
    CustomerUser.objects.filter(pk=buyer.pk).update(role="BUYER", approval_limit=Decimal("1.00"))
    quote = quoted(buyer)
    answer = client.post(page("quote-accept", quote.pk), {**ADDRESS, "payment_method": "card:tok_ok"})
    assert answer.status_code == 422
    assert "over your limit" in answer.content.decode()
    assert Quote.objects.get().status == "approved"


def test_cards_are_not_offered_where_the_test_provider_may_not_be_used(settings):
    settings.DEMO = settings.DEBUG = False
    buyer, client = buyer_with_client()
    quote = quoted(buyer)
    assert "tok_ok" not in client.get(page("quote-detail", quote.pk)).content.decode()


def test_quotes_are_rejected_cancelled_and_submitted():
    buyer, client = buyer_with_client()
    one, two, three = (
        quoted(buyer),
        quoted(buyer, submit=False),
        quoted(buyer, submit=False, special_instructions="Look!"),
    )
    client.post(page("quote-reject", one.pk), {"reason": "too dear"})
    client.post(page("quote-cancel", two.pk))
    client.post(page("quote-submit", three.pk))
    states = list(Quote.objects.order_by("pk").values_list("status", "review_message"))
    assert states == [("rejected", "too dear"), ("cancelled", ""), ("pending", "")]


def test_a_quote_whose_file_is_being_read_says_so_and_asks_again(settings):
    settings.QUOTE_SYNC_MAX_MB = 0
    _, client = buyer_with_client()
    answer = upload(client)
    html = client.get(answer["Location"]).content.decode()
    assert "We are reading your file" in html
    assert 'hx-trigger="every 2s"' in html
    quote = Quote.objects.get()
    assert "HX-Redirect" not in client.get(page("quote-progress", quote.pk)).headers
    outbox.drain()
    configure = page("quote-configure", quote.pk)
    assert client.get(page("quote-progress", quote.pk))["HX-Redirect"] == configure
    assert "Get the quote" in client.get(configure).content.decode()


PAGES = ("quote-detail", "quote-configure")
POSTS = ("quote-accept", "quote-submit", "quote-reject", "quote-cancel", "quote-price")


def test_a_strangers_quote_and_order_are_not_found():
    buyer = member()
    quote, draft = quoted(buyer), quoted(buyer, submit=False)
    order = quotes.accept_quote(quote, shipping=HARBOUR, actor=buyer.user).sales_order
    client = logged_in(stranger())
    for name in PAGES:
        assert client.get(page(name, draft.pk)).status_code == 404
    for name in POSTS:
        assert client.post(page(name, draft.pk)).status_code == 404
    for name in ("order-detail", "order-progress", "order-pay"):
        assert client.get(page(name, order.pk)).status_code == 404
    assert client.post(page("order-reorder", order.pk)).status_code == 404
    row = draft.files.get()
    assert client.get(page("quote-file", draft.pk, row.pk)).status_code == 404
    assert client.get(page("quote-file-preview", draft.pk, row.pk)).status_code == 404
    html = client.get(page("quote-list") + "?status=all").content.decode()
    assert quote.quote_number not in html


@pytest.mark.parametrize("name", ["quote-list", "order-list", "company"])
def test_nobody_is_sent_to_log_in(name, client):
    answer = client.get(page(name))
    assert answer["Location"] == f"{page('login')}?next={page(name)}"


def test_every_form_needs_its_token():
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(page("quote-new"), {"files": a_file()}).status_code == 403
    assert strict.post(page("login"), {"username": "a@b.c", "password": "x"}).status_code == 403
    assert Quote.objects.count() == 0


def test_files_are_saved_never_shown_and_pictures_are_ours():
    buyer, client = buyer_with_client()
    quote = quoted(buyer)
    row = quote.files.get()
    answer = client.get(page("quote-file", quote.pk, row.pk))
    assert b"".join(answer.streaming_content) == bracket().content
    assert answer["Content-Disposition"] == 'attachment; filename="bracket.3mf"'
    assert (answer["Content-Type"], answer["X-Content-Type-Options"]) == ("application/octet-stream", "nosniff")
    with put_down(client.get(page("quote-file-preview", quote.pk, row.pk))) as picture:
        assert picture["Content-Type"] == "image/png"


def test_log_in_is_limited(client, settings):
    settings.RATE_LIMIT_AUTH = "2/min"
    for _ in range(2):
        assert client.post(page("login"), {"username": "a@example.com", "password": "x"}).status_code == 422
    answer = client.post(page("login"), {"username": "a@example.com", "password": "x"})
    assert (answer.status_code, "RATE_001" in answer.content.decode()) == (429, True)
    assert int(answer["Retry-After"]) > 0


def test_wrong_passwords_lock_the_address(client, settings):
    user = LoginFactory()
    for _ in range(settings.LOGIN_FAILURE_LIMIT):
        client.post(page("login"), {"username": user.email, "password": "wrong"})
    answer = client.post(page("login"), {"username": user.email, "password": PASSWORD})
    assert answer.status_code == 429
    assert "_auth_user_id" not in client.session


def test_the_next_page_is_one_of_ours(client):
    user = LoginFactory()
    member(user=user)
    answer = client.post(page("login"), {"username": user.email, "password": PASSWORD, "next": "https://evil.example/"})
    assert answer["Location"] == page("home")


def test_logging_out_is_a_post():
    _, client = buyer_with_client()
    assert client.get(page("logout")).status_code == 405
    assert client.post(page("logout"))["Location"] == page("home")
    assert "_auth_user_id" not in client.session


def test_a_taken_address_and_a_weak_password_are_said_beside_their_fields(client):
    LoginFactory(email="buyer@example.com")
    answer = client.post(page("register"), NEW_USER)
    assert "already registered" in answer.content.decode()
    answer = client.post(page("register"), {**NEW_USER, "email": "new@example.com", "password": "12345678901"})
    assert (answer.status_code, "entirely numeric" in answer.content.decode()) == (422, True)
    assert not User.objects.filter(email="new@example.com").exists()


def test_a_password_is_reset_by_the_mailed_link(client, mailoutbox):
    user = LoginFactory()
    for email in (user.email, "nobody@example.com"):
        assert "Look in your mail" in client.post(page("password-reset"), {"email": email}).content.decode()
    outbox.drain()
    (mail,) = [mail for mail in mailoutbox if "password" in mail.subject.lower()]
    link = accounts.password_reset_link(user)
    path = page("password-reset-confirm", link["uid"], link["token"])
    assert path.rsplit("/", 2)[0] in mail.body
    form = client.get(path, follow=True)
    posted = form.request["PATH_INFO"]
    weak = client.post(posted, {"new_password1": "short", "new_password2": "short"})
    assert weak.status_code == 200
    done = client.post(posted, {"new_password1": "another-long-one", "new_password2": "another-long-one"})
    assert done["Location"] == page("password-reset-complete")
    client.post(page("login"), {"username": user.email, "password": "another-long-one"})
    assert client.session["_auth_user_id"] == str(user.pk)
    assert "no longer works" in Client().get(path, follow=True).content.decode()


def test_an_address_is_proven_by_the_mailed_link(client):
    user = LoginFactory()
    link = accounts.email_verification_link(user)
    path = page("verify-email", link["uid"], link["token"])
    assert client.get(path)["Location"] == page("home")
    user.refresh_from_db()
    assert user.is_email_verified
    assert client.get(path).status_code == 400


def test_the_company_is_managed_by_its_administrators():
    buyer, client = buyer_with_client()
    invite = {
        "form": "invite",
        "first_name": "Ben",
        "last_name": "Example",
        "email": "ben@example.com",
        "role": "BUYER",
    }
    assert client.post(page("company"), invite).status_code == 302
    assert client.post(page("company"), invite).status_code == 422
    client.post(page("company"), {"form": "address", **ADDRESS, "address_type": "SHIPPING", "is_default": "on"})
    ben = CustomerUser.objects.get(user__email="ben@example.com")
    assert CustomerAddress.objects.get().customer == buyer.customer
    html = client.get(page("company")).content.decode()
    assert "ben@example.com" in html
    assert "1 Harbour Street" in html
    his = logged_in(ben.user)
    assert "Invite a user" not in his.get(page("company")).content.decode()
    assert his.post(page("company-user-remove", buyer.pk)).status_code == 403
    assert client.post(page("company-user-remove", ben.pk)).status_code == 302
    assert client.post(page("company-address-remove", CustomerAddress.objects.get().pk)).status_code == 302
    assert CustomerAddress.objects.count() == 0
    assert logged_in(stranger()).post(page("company-user-remove", buyer.pk)).status_code == 404


def test_an_order_is_ordered_again():
    buyer, client = buyer_with_client()
    quote = quoted(buyer)
    order = quotes.accept_quote(quote, shipping=HARBOUR, actor=buyer.user).sales_order
    answer = client.post(page("order-reorder", order.pk))
    again = SalesOrder.objects.exclude(pk=order.pk).get()
    assert answer["Location"] == page("order-detail", again.pk)
    assert again.grand_total == order.grand_total


def test_the_components_are_for_staff():
    _, client = buyer_with_client()
    assert client.get(page("components")).status_code == 404
    assert logged_in(LoginFactory(is_staff=True)).get(page("components")).status_code == 200


def test_lists_cost_the_same_however_long_they_are(django_assert_max_num_queries):
    buyer, client = buyer_with_client()
    for _ in range(3):
        quote = quoted(buyer)
        quotes.accept_quote(quote, shipping=HARBOUR, actor=buyer.user)
        quoted(buyer)
    for name in ("quote-list", "order-list", "home"):
        with django_assert_max_num_queries(8):
            assert client.get(page(name)).status_code == 200


def test_pages_of_errors_have_words_and_a_way_on(client):
    answer = client.get("/no/such/page/")
    assert answer.status_code == 404
    assert "There is no such page" in answer.content.decode()
    assert page("home") in answer.content.decode()


def test_a_guests_quote_of_another_visit_cannot_be_taken_over():
    visit = accounts.start_visit(ip_address=None, user_agent="")
    quotes.create_quote(request(visit=visit, submit=False), actor=system_actor())
    _, client = buyer_with_client()
    client.get(page("home"))
    assert Quote.objects.get().customer is None
