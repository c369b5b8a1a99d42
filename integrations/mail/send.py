"""Writing a mail from its templates and handing it to the mail server."""

from __future__ import annotations

import smtplib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse

from blb3d.core.errors import PartnerRefused, PartnerUnavailable
from blb3d.core.outbox import OutboxEvent

#: From here on an SMTP reply means never (RFC 5321, 4.2.1); below it, later.
_PERMANENT = 500


@dataclass(frozen=True)
class Attachment:
    """A file that goes with a mail."""

    file_name: str
    content: bytes
    content_type: str


def send(
    name: str, to: str | Sequence[str], *, key: str, attachments: Sequence[Attachment] = (), **context: Any
) -> bool:
    """Send the mail ``templates/mail/{name}`` as text and HTML; nothing goes to an address that cannot exist.

    Returns whether there was anybody to send it to.

    ``key`` becomes the Message-ID, the same on every try: where a crash hides whether the server took it and it is sent
    again, the receiver can tell that it is one mail.

    Raises:
        PartnerUnavailable: the server cannot be reached, or says later.
        PartnerRefused: the server refuses for good.
    """
    receivers = [to] if isinstance(to, str) else to
    receivers = [address for address in receivers if address and not address.endswith(".invalid")]
    if not receivers:
        return False
    context |= {"shop_name": settings.COMPANY_NAME}  # type: ignore[misc]
    host = urlsplit(settings.BASE_URL).hostname or "localhost"  # type: ignore[misc]
    mail = EmailMultiAlternatives(
        subject=" ".join(render_to_string(f"mail/{name}.subject.txt", context).split()),
        body=render_to_string(f"mail/{name}.txt", context).strip() + "\n",
        to=receivers,
        headers={"Message-ID": f"<{key}@{host}>", "Auto-Submitted": "auto-generated"},
    )
    mail.attach_alternative(render_to_string(f"mail/{name}.html", context), "text/html")
    for file in attachments:
        mail.attach(file.file_name, file.content, file.content_type)
    try:
        mail.send()
    except smtplib.SMTPException as error:
        code, words = _reply(error)
        details = {"mail": name, "smtp_code": code, "smtp_reply": words}
        if code >= _PERMANENT:
            raise PartnerRefused(f"The mail server refused the mail ({code} {words}).", details=details) from error
        raise PartnerUnavailable(f"The mail server did not take the mail ({code} {words}).", details=details) from error
    except OSError as error:
        raise PartnerUnavailable(f"The mail server cannot be reached: {error}.", details={"mail": name}) from error
    return True


def event_key(event: OutboxEvent) -> str:
    """Return the key of the one mail that a fact is worth to a receiver."""
    return f"event-{event.pk}-{event.topic}"


def page(name: str, **arguments: Any) -> str:
    """Return the full address of a page of the portal."""
    return settings.BASE_URL.rstrip("/") + reverse(f"portal:{name}", kwargs=arguments)  # type: ignore[misc]


def console_page(name: str, *arguments: Any) -> str:
    """Return the full address of a page of the console."""
    return settings.BASE_URL.rstrip("/") + reverse(f"admin:{name}", args=arguments)  # type: ignore[misc]


def _reply(error: smtplib.SMTPException) -> tuple[int, str]:
    """Return the server's reply; 0 when the connection broke without one."""
    code: int
    words: bytes | str
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, words = next(iter(error.recipients.values()))
    elif isinstance(error, smtplib.SMTPResponseException):
        code, words = error.smtp_code, error.smtp_error
    else:
        code, words = 0, str(error)
    text = words.decode("utf-8", errors="replace") if isinstance(words, bytes) else str(words)
    return code, text[:300]
