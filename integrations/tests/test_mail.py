"""Customers get one mail per fact, as text and HTML; what the mail server refuses for good waits for a person."""

from __future__ import annotations

import re
import socketserver
import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.utils import timezone

from blb3d.accounts import services as accounts
from blb3d.core import outbox
from blb3d.core.outbox import EventDelivery
from sales import services as sales
from sales.tests.factories import CustomerFactory, confirmed, made_product, ready_to_ship, system_actor

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _addresses(settings: Any) -> None:
    settings.ROOT_URLCONF = "integrations.tests.portal_urls"
    settings.BASE_URL = "https://erp.example.com/"
    settings.COMPANY_NAME = "Farm & Sons"


def deliver(topic: str, by: str = "integrations.mail.handlers.") -> EventDelivery:
    """Let the worker send the mail of the latest fact of a topic; return what became of it."""
    outbox.relay()
    delivery = EventDelivery.objects.filter(event__topic=topic, handler__startswith=by).latest("pk")
    EventDelivery.objects.filter(pk=delivery.pk).update(next_attempt_at=timezone.now())
    outbox.deliver(delivery)
    delivery.refresh_from_db()
    return delivery


def one_mail() -> EmailMultiAlternatives:
    (sent,) = mail.outbox
    assert isinstance(sent, EmailMultiAlternatives)
    ((html, kind),) = sent.alternatives
    assert kind == "text/html"
    assert "<html" in str(html)
    return sent


def test_it_confirms_an_order_once() -> None:
    order = confirmed((made_product(), 2), customer_po_number="4711")
    delivery = deliver("sales.order_confirmed")
    assert delivery.status == "done"
    assert outbox.deliver(delivery) is False
    sent = one_mail()
    assert sent.subject == f"Order {order.order_number} is confirmed"
    assert sent.to == [order.customer.email]
    assert f"https://erp.example.com/orders/{order.pk}/" in sent.body
    assert "4711" in sent.body
    assert sent.extra_headers["Message-ID"] == f"<event-{delivery.event_id}-sales.order_confirmed@erp.example.com>"


@pytest.mark.parametrize("link", ["https://carrier.example/9400", ""])
def test_it_tells_that_an_order_left(link: str) -> None:
    order = ready_to_ship((made_product(), 1))
    shipment = sales.pack_shipment(order, actor=system_actor())
    sales.ship_shipment(
        shipment,
        carrier="USPS",
        service="Ground",
        tracking_number="9400",
        tracking_url=link,
        actor=system_actor(),
    )
    assert deliver("sales.order_shipped").status == "done"
    sent = one_mail()
    assert sent.subject == f"Order {order.order_number} is on its way"
    assert "USPS Ground, tracking number 9400" in sent.body
    assert (link or f"https://erp.example.com/orders/{order.pk}/") in sent.body


@pytest.mark.parametrize("source", ["squarespace", "woocommerce"])
def test_a_shops_buyer_is_left_to_the_shop(source: str) -> None:
    confirmed((made_product(), 1), source=source)
    assert deliver("sales.order_confirmed").status == "done"
    assert mail.outbox == []


def test_nothing_goes_to_an_address_that_cannot_exist() -> None:
    confirmed((made_product(), 1), customer=CustomerFactory(email="buyer@squarespace.invalid"))
    assert deliver("sales.order_confirmed").status == "done"
    assert mail.outbox == []


def test_the_links_of_a_new_user_and_of_a_lost_password_work() -> None:
    user = accounts.register_user(
        email="eve@example.com", password="a-long-enough-one", first_name="Eve", last_name="Example"
    )
    deliver("accounts.user_registered")
    uid, token = re.findall(r"https://erp\.example\.com/verify/([^/]+)/([^/]+)/", one_mail().body)[0]
    assert accounts.verify_email(uid=uid, token=token, actor=system_actor()).is_email_verified
    mail.outbox.clear()
    accounts.request_password_reset("eve@example.com", actor=system_actor())
    deliver("accounts.password_reset_requested")
    sent = one_mail()
    assert sent.to == ["eve@example.com"]
    uid, token = re.findall(r"https://erp\.example\.com/password/([^/]+)/([^/]+)/", sent.body)[0]
    accounts.confirm_password_reset(uid=uid, token=token, new_password="another-long-one", actor=system_actor())
    user.refresh_from_db()
    assert user.check_password("another-long-one")


# A mail server ------------------------------------------------------------------------------------------------------
class MailServer(socketserver.StreamRequestHandler):
    """Speaks enough SMTP to take a mail, or to refuse its receiver with the reply that a test chooses."""

    reply: ClassVar[str] = "250 ok"
    mails: ClassVar[list[str]] = []

    def handle(self) -> None:
        self.say("220 here")
        while line := self.rfile.readline().decode().strip():
            word = line.split(":")[0].upper()
            if word == "DATA":
                self.say("354 go on")
                self.mails.append(self.read_mail())
            if word == "QUIT":
                self.say("221 bye")
                return
            self.say(self.reply if word.startswith("RCPT") else "250 ok")

    def read_mail(self) -> str:
        lines = []
        while (line := self.rfile.readline().decode()) != ".\r\n":
            lines.append(line)
        return "".join(lines)

    def say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@pytest.fixture
def server(settings: Any) -> Iterator[type[MailServer]]:
    MailServer.mails.clear()
    MailServer.reply = "250 ok"
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), MailServer) as running:
        threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", running.server_address[1]
        settings.EMAIL_USE_TLS = False
        settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
        yield MailServer
        running.shutdown()


def test_a_real_server_gets_text_and_html_in_one_mail(server: type[MailServer]) -> None:
    confirmed((made_product(), 1))
    delivery = deliver("sales.order_confirmed")
    assert delivery.status == "done"
    (raw,) = server.mails
    assert "Content-Type: multipart/alternative" in raw
    assert f"Message-ID: <event-{delivery.event_id}-sales.order_confirmed@erp.example.com>" in raw


@pytest.mark.parametrize(
    ("reply", "status", "code"),
    [("550 no such person", "dead", "INTEG_002"), ("451 come back later", "pending", "INTEG_001")],
)
def test_a_refusal_for_good_waits_for_a_person_and_another_for_a_while(
    server: type[MailServer], reply: str, status: str, code: str
) -> None:
    confirmed((made_product(), 1))
    server.reply = reply
    delivery = deliver("sales.order_confirmed")
    assert (delivery.status, delivery.attempts) == (status, 1)
    assert delivery.last_error.startswith(code)
    assert reply in delivery.last_error
    assert server.mails == []


def test_a_server_that_is_away_is_tried_again(server: type[MailServer], settings: Any) -> None:
    confirmed((made_product(), 1))
    port, settings.EMAIL_PORT = settings.EMAIL_PORT, 1
    assert deliver("sales.order_confirmed").status == "pending"
    settings.EMAIL_PORT = port
    assert deliver("sales.order_confirmed").status == "done"
    assert len(server.mails) == 1
