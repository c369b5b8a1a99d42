"""Squarespace's Orders API, version 1.0 (developers.squarespace.com/commerce-apis)."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
from django.conf import settings
from django.core.cache import cache

from blb3d.core.errors import PartnerUnavailable
from integrations.errors import PartnerNotSetUp, UnreadableAnswer
from integrations.http import PartnerClient

ORDERS = "/1.0/commerce/orders"
#: After a 429 every call is refused for a minute, and calling on does not shorten it.
COOL_DOWN_SECONDS = 60
_COOL_DOWN = "squarespace:cool-down"


@dataclass(frozen=True)
class Parcel:
    """A shipment as Squarespace wants it told; the link may be empty, everything else is required."""

    shipped_at: datetime.datetime
    carrier: str
    service: str
    tracking_number: str
    tracking_url: str = ""

    def as_json(self) -> dict[str, str | None]:
        """Return it in the words of the API."""
        return {
            "shipDate": instant(self.shipped_at),
            "carrierName": self.carrier,
            "service": self.service,
            "trackingNumber": self.tracking_number,
            "trackingUrl": self.tracking_url or None,
        }


class Squarespace(PartnerClient):
    """The shop's API with the key from the settings."""

    def __init__(self) -> None:
        """Raises ``PartnerNotSetUp`` when there is no key."""
        if not settings.SQUARESPACE_API_KEY:  # type: ignore[misc]
            raise PartnerNotSetUp(details={"setting": "SQUARESPACE_API_KEY"})
        super().__init__(
            "Squarespace",
            settings.SQUARESPACE_API_URL,  # type: ignore[misc]
            headers={"Authorization": f"Bearer {settings.SQUARESPACE_API_KEY}"},  # type: ignore[misc]
        )

    def call(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Call as any partner is called, but keep quiet for a minute after a 429, in all processes."""
        if cache.get(_COOL_DOWN):
            raise PartnerUnavailable("Squarespace asked us to slow down.", details={"call": f"{method} {path}"})
        try:
            return super().call(method, path, **request)
        except PartnerUnavailable as error:
            if error.details.get("status") == httpx.codes.TOO_MANY_REQUESTS:
                cache.set(_COOL_DOWN, value=True, timeout=COOL_DOWN_SECONDS)
            raise

    def order(self, order_id: str) -> dict[str, Any]:
        """Return an order as it is now."""
        return self.get_json(f"{ORDERS}/{quote(order_id, safe='')}")

    def pages_modified(self, after: datetime.datetime, before: datetime.datetime) -> Iterator[list[dict[str, Any]]]:
        """Yield the orders modified in a time window, page by page.

        Both ends of the window are given with the first page only, the cursor alone with the others: the API refuses
        anything else. Orders may move between pages while they are read, so windows must overlap.
        """
        params = {"modifiedAfter": instant(after), "modifiedBefore": instant(before)}
        while True:
            page = self.get_json(ORDERS, params=params)
            try:
                rows, pagination = page["result"], page["pagination"]
                more, cursor = bool(pagination["hasNextPage"]), str(pagination.get("nextPageCursor") or "")
            except (KeyError, TypeError, AttributeError) as error:
                raise UnreadableAnswer("Squarespace's list of orders cannot be read.") from error
            yield rows
            if not (more and cursor):
                return
            params = {"cursor": cursor}

    def fulfil(self, order_id: str, parcels: Sequence[Parcel]) -> None:
        """Tell the shipments of an order; it becomes FULFILLED and its buyer gets a mail, each time this is called."""
        self.call(
            "POST",
            f"{ORDERS}/{quote(order_id, safe='')}/fulfillments",
            json={"shouldSendNotification": True, "shipments": [parcel.as_json() for parcel in parcels]},
        )


def instant(when: datetime.datetime) -> str:
    """Return a time as the API writes it: UTC with milliseconds and a Z."""
    return when.astimezone(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
