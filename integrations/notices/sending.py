"""Carrying notices to people: by mail, or as a signed call to an address of theirs."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import logging
import socket
import time
from urllib.parse import urlsplit

import httpx
from django.conf import settings
from django.utils import timezone

from blb3d.core.errors import BLB3DError, PartnerRefused, PartnerUnavailable
from blb3d.core.work import WorkStatus
from integrations.http import PartnerClient
from integrations.mail.send import send as send_mail
from integrations.models import Notice, NoticeRule
from integrations.notices.errors import ForbiddenAddress
from integrations.printers import access_codes

log = logging.getLogger(__name__)

SIGNATURE, TIMESTAMP, NOTICE_ID = "X-BLB3D-Signature", "X-BLB3D-Timestamp", "X-BLB3D-Notice"
WEBHOOK_SECONDS = 10.0
#: Where a network of IPv6 alone reaches the IPv4 addresses that stand in the last 32 bits (RFC 6052).
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def drain(*, limit: int = 100) -> int:
    """Send what is due, oldest first; return how many arrived. One that fails stands in nobody's way."""
    due = Notice.objects.filter(status=WorkStatus.PENDING, next_attempt_at__lte=timezone.now())
    sent = 0
    for notice in list(due.select_related("rule").order_by("id")[:limit]):
        if not notice.claim():
            continue
        try:
            with notice.kept():
                tell(notice)
        except BLB3DError as problem:
            notice.fail(str(problem), transient=getattr(problem, "transient", False))
        except Exception as problem:
            log.exception("notice %s could not be told", notice.pk)
            notice.fail(f"{type(problem).__name__}: {problem}", transient=False)
        else:
            sent += notice.finish()
    return sent


def tell(notice: Notice) -> None:
    """Send one notice now.

    Raises:
        PartnerUnavailable: the mail server or the address cannot be reached, or says later.
        PartnerRefused: it was refused for good; for an address that leads into a private network ``ForbiddenAddress``.
    """
    rule = notice.rule
    if rule.channel == NoticeRule.Channel.MAIL:
        receivers = [address.strip() for address in rule.recipients.split(",") if address.strip()]
        link = settings.BASE_URL.rstrip("/") + notice.path  # type: ignore[misc]
        send_mail("notice", receivers, key=f"notice-{notice.pk}", notice=notice, rule=rule, action_url=link)
        return
    found = check_address(rule.url)
    body = json.dumps(
        {
            "id": notice.pk,
            "event": rule.event,
            "subject": notice.subject,
            "text": notice.text,
            "url": settings.BASE_URL.rstrip("/") + notice.path,  # type: ignore[misc]
            "details": notice.details,
            "at": notice.created_at.isoformat(),
        },
        sort_keys=True,
    ).encode()
    secret = access_codes.decrypt(rule.secret_encrypted) if rule.secret_encrypted else ""
    stamp = str(int(time.time()))
    headers = {"Content-Type": "application/json", TIMESTAMP: stamp, NOTICE_ID: str(notice.pk)}
    if secret:
        headers[SIGNATURE] = signature(secret, stamp, body)
    target = urlsplit(rule.url)
    netloc, extensions = target.netloc, {}
    if found:
        # To the very address that was checked: a name may lead elsewhere when it is asked for a second time.
        address = found[notice.attempts % len(found)]
        netloc = netloc[: -len(_place(target.netloc))] + (f"[{address}]" if ":" in address else address)
        netloc += f":{target.port}" if target.port else ""
        headers["Host"] = _place(target.netloc)
        extensions = {"sni_hostname": str(target.hostname)}
    with PartnerClient(f"The webhook of {rule.name}", f"{target.scheme}://{netloc}") as client:
        path = target.path + (f"?{target.query}" if target.query else "")
        timeout = httpx.Timeout(WEBHOOK_SECONDS)
        client.call("POST", path, content=body, headers=headers, timeout=timeout, extensions=extensions)


def _place(netloc: str) -> str:
    """Return host and port without the name and password before them."""
    return netloc.rpartition("@")[2]


def signature(secret: str, stamp: str, body: bytes) -> str:
    """Return what a receiver checks: ``sha256=`` and the hex HMAC-SHA256 of the timestamp, a dot and the body."""
    return "sha256=" + hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def check_address(url: str) -> list[str]:
    """Let only public addresses pass: a rule must not make this server call into its own network.

    Returns the addresses that the host has now, none where private ones are allowed and nobody has to look.

    Raises:
        ForbiddenAddress: one of the host's addresses is private, of this machine, or reserved.
        PartnerRefused: it is no address that can be called.
        PartnerUnavailable: the host's name cannot be resolved now.
    """
    target = urlsplit(url)
    if target.scheme not in {"http", "https"} or not target.hostname:
        raise PartnerRefused("A webhook's address begins with https:// or http://.", details={"url": url})
    try:
        port = target.port or (443 if target.scheme == "https" else 80)
        if settings.NOTICE_PRIVATE_URLS:  # type: ignore[misc]
            return []
        found = socket.getaddrinfo(target.hostname, port, proto=socket.IPPROTO_TCP)
    except ValueError as error:  # a port above 65535, a name that no name server can be asked for
        raise PartnerRefused("This is no address that can be called.", details={"url": url}) from error
    except OSError as error:
        raise PartnerUnavailable(f"{target.hostname} cannot be found.", details={"url": url}) from error
    addresses = [str(row[4][0]) for row in found]
    if not all(_is_public(address) for address in addresses):
        raise ForbiddenAddress(details={"host": target.hostname})
    return addresses


def _is_public(text: str) -> bool:
    """Tell whether an address is one of the internet's, also where it carries one of IPv4 within it."""
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        address = inner or address
    return address.is_global and not address.is_multicast
