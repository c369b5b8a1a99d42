"""The main job, played through the system's own doors: a portal order and a shop order become shipped, paid parts.

The same play is the smoke test and, with processes being killed under it, the kill test. It holds no business rule:
it does what customers, a shop and staff do, and checks what they would see.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from blb3d.demo.client import Client, wait_for
from blb3d.demo.farm import Farm
from blb3d.demo.seed import USERS

MODEL = Path(__file__).resolve().parents[2] / "quotes" / "modelfiles" / "samples" / "bracket.3mf"
SHOP_ORDER = [("FG-00015", 2), ("FG-00022", 1), ("FG-00040", 3)]
ADDRESS = {
    "shipping_name": "Goods in",
    "shipping_address_line1": "123 Main St",
    "shipping_city": "Fort Wayne",
    "shipping_state": "IN",
    "shipping_zip": "46802",
    "shipping_country": "USA",
}
CUSTOMER = ("smoke@customer.example", "a-long-smoke-password")
OPEN_JOB = ("queued", "sent", "printing", "paused")


class MainJob:
    """One run of the main job against a running farm; ``say`` gets one line per step."""

    def __init__(self, farm: Farm, say: Callable[[str], None]) -> None:
        """Prepare to play against ``farm``."""
        self.farm = farm
        self.say = say
        self.customer = Client(farm.url)
        self.staff = Client(farm.url)
        self.shop = httpx.Client(base_url=farm.shop_url, timeout=30)
        self.orders: list[dict[str, Any]] = []

    def run(self) -> None:
        """Play all six steps; raises AssertionError or TimeoutError where the system does not do its part."""
        owner = USERS[0]
        self.staff.login(owner.email, owner.password)
        portal = self.portal_order()
        shop = self.shop_order()
        self.orders = [portal, shop]
        self.plan()
        self.produce()
        for order in self.orders:
            self.ship(order)
        self.trace(shop)

    # 1 ---------------------------------------------------------------------------------------------------------------
    def portal_order(self) -> dict[str, Any]:
        """A customer registers, uploads a model, gets a price, accepts and pays; return the sales order."""
        email, password = CUSTOMER
        self.customer.post(
            "/api/v1/auth/register",
            {"email": email, "password": password, "first_name": "Smoke", "last_name": "Test"},
            done_when=("AUTH_003", "VALID_001"),
        )
        self.customer.login(email, password)
        self.say(f"customer {email} registered and logged in")
        quote = self.customer.call(
            "POST",
            "/api/v1/quotes",
            files={"files": (MODEL.name, MODEL.read_bytes(), "model/3mf")},
            data={"material_type": "PETG", "color": "Black", "quantity": "5", "product_name": "Bracket"},
        )
        quote = wait_for(
            "the quote's price",
            lambda: (q := self.customer.get(f"/api/v1/quotes/{quote['id']}"))["status"] != "draft" and q,
        )
        assert quote["status"] == "approved", quote
        self.say(
            f"quote {quote['quote_number']}: {quote['material_grams']} g and {quote['print_time_minutes']} min a set, "
            f"5 sets, {quote['total_price']} with tax ({quote['estimate']['method']})"
        )
        body = {**ADDRESS, "customer_po_number": "4711", "payment": {"method": "card", "token": "tok_ok"}}
        quote = self.customer.call("PATCH", f"/api/v1/quotes/{quote['id']}/accept", json=body)
        order = wait_for(
            "the paid portal order to be confirmed",
            lambda: (o := self.order(quote["sales_order_id"]))["status"] in {"confirmed", "in_production"} and o,
        )
        assert order["payment_status"] == "paid"
        product = self.staff.get(f"/api/v1/products/{order['product_id']}")
        assert product["sku"] == f"CUSTOM-{quote['quote_number']}"
        bom = self.staff.get(f"/api/v1/products/{order['product_id']}/bom")
        line = bom["lines"][0]
        assert (len(bom["lines"]), line["unit"]) == (1, "kg"), bom
        self.say(f"accepted: product {product['sku']}, BOM {line['quantity']} kg of {line['sku']} a set")
        (production,) = self.production_orders(order)
        self.say(f"sales order {order['order_number']} paid and confirmed, production order {production['code']}")
        self._release_print_files(order["product_id"])
        return order

    def _release_print_files(self, product_id: int) -> None:
        """A person looks at what the slicer made and releases it for each printer model."""
        files = wait_for(
            "the print files of the custom product",
            lambda: len(rows := self.staff.rows("/api/v1/print-files", product=product_id)) >= 2 and rows,
        )
        for row in files:
            self.staff.post(f"/api/v1/print-files/{row['id']}/release")
        self.say(f"{len(files)} print files made by {files[0]['sliced_by']} and released by a person")

    # 2 ---------------------------------------------------------------------------------------------------------------
    def shop_order(self) -> dict[str, Any]:
        """A three-line order arrives by a signed notification, and again; return the sales order."""
        before = {order["id"] for order in self.staff.rows("/api/v1/sales-orders", source="squarespace")}
        lines = [{"sku": sku, "quantity": quantity} for sku, quantity in SHOP_ORDER]
        created = self.shop.post("/sandbox/orders", json={"lines": lines}).raise_for_status().json()

        def arrived() -> dict[str, Any] | None:
            rows = self.staff.rows("/api/v1/sales-orders", source="squarespace")
            return next((o for o in rows if o["source_order_id"] == created["id"]), None)

        def confirmed() -> dict[str, Any] | None:
            order = arrived()
            return order if order and order["status"] in {"confirmed", "in_production"} else None

        # The shop repeats a notification that nobody took.
        def notified() -> bool:
            answer = self.shop.post(f"/sandbox/orders/{created['id']}/notify")
            return answer.is_success and bool(answer.json().get("delivered"))

        if not created.get("delivered"):
            wait_for("the shop's notification to be taken", notified)
        order = wait_for("the shop's order to be confirmed", confirmed)
        assert order["payment_status"] == "paid"
        self.say(f"Squarespace order {created['orderNumber']} became {order['order_number']}, three lines, confirmed")
        wait_for("the repeated notification to be taken", notified)
        wait_for(
            "the inbox to be empty", lambda: self.staff.get("/api/v1/integration/sync-status")["inbox_pending"] == 0
        )
        rows = self.staff.rows("/api/v1/sales-orders", source="squarespace")
        assert len({row["id"] for row in rows} - before) == 1, "a repeated notification made a second order"
        self.say("the same notification again: nothing changed")
        return self.order(order["id"])

    # 3 ---------------------------------------------------------------------------------------------------------------
    def plan(self) -> None:
        """Production orders stand, material is reserved, and the requirements show it."""
        for order in self.orders:
            productions = self.production_orders(order)
            assert productions, f"no production orders for {order['order_number']}"
            for row in productions:
                self.say(
                    f"{order['order_number']}: {row['code']} makes {row['quantity']} x {row['sku']} ({row['status']})"
                )
        rows = self.staff.get("/api/v1/mrp/material-requirements", all="true")
        rows = rows["results"] if isinstance(rows, dict) else rows
        for row in rows:
            self.say(
                f"MRP {row['material_sku']}: needs {row['total_required_kg']}, has {row['available_kg']}, "
                f"short {row['shortage_kg']}"
            )

    # 4 ---------------------------------------------------------------------------------------------------------------
    def produce(self) -> None:
        """Printers print, a person clears plates (one part of the first is scrap) until every part is good."""
        ids = {row["id"] for order in self.orders for row in self.production_orders(order)}

        def step() -> bool:
            custom = {row["id"]: row["quantity_scrapped"] for row in self.production_orders(self.orders[0])}
            for job in self.staff.rows("/api/v1/print-jobs", needs_clearing="true"):
                counts = []
                for part in job["parts"]:
                    # One part of the custom order is scrap: always the same, whichever job ends first.
                    scrap = 1 if custom.get(part["production_order_id"]) == 0 and job["status"] == "finished" else 0
                    good = part["planned"] - scrap if job["status"] == "finished" else 0
                    counts.append(
                        {
                            "production_order_id": part["production_order_id"],
                            "good": good,
                            "scrap": part["planned"] - good,
                            "reason": "" if good == part["planned"] else "stringing",
                        }
                    )
                self.staff.post(f"/api/v1/print-jobs/{job['id']}/clear", {"counts": counts}, done_when=("PRINT_005",))
                good, scrap = sum(c["good"] for c in counts), sum(c["scrap"] for c in counts)
                self.say(
                    f"{job['code']} on {job['printer']}: {job['status']}, plate cleared, {good} good, {scrap} scrap"
                )
            for job in self.staff.rows("/api/v1/print-jobs", status="unknown"):
                self.staff.post(
                    f"/api/v1/print-jobs/{job['id']}/decide",
                    {"outcome": "finished", "reason": "looked at the plate"},
                    done_when=("CONFLICT_002",),
                )
                self.say(f"{job['code']} ended unseen; a person looked: finished")
            rows = self.staff.rows("/api/v1/production-orders")
            return all(row["status"] == "completed" for row in rows if row["id"] in ids)

        wait_for("all parts to be printed", step, patience=600)
        for order in self.orders:
            self._wait_for_check(order)

    def _wait_for_check(self, order: dict[str, Any]) -> None:
        wait_for("the order to be ready", lambda: self.order(order["id"])["status"] == "quality_check")
        self.say(f"{order['order_number']}: every part is good, waits for its final check")

    # 5 ---------------------------------------------------------------------------------------------------------------
    def ship(self, order: dict[str, Any]) -> None:
        """Inspect, pack, ship; the shop is told once, the invoice exists and is paid."""
        for row in self.production_orders(order):
            if not self.staff.rows("/api/v1/inspections", production_order=row["id"], inspection_type="FINAL"):
                self.staff.post(
                    "/api/v1/inspections",
                    {"production_order": row["id"], "inspection_type": "FINAL", "passed": True, "notes": "smoke"},
                )
        tracking = f"9400{order['id']:018d}"
        existing = self.staff.rows("/api/v1/shipments", sales_order=order["id"])
        shipment = existing[0] if existing else self.staff.post("/api/v1/shipments", {"sales_order_id": order["id"]})
        self.staff.post(
            f"/api/v1/shipments/{shipment['id']}/ship",
            {"carrier": "USPS", "service": "Ground", "tracking_number": tracking},
            done_when=("CONFLICT_002",),
        )
        shipped = wait_for(
            "the order to be shipped", lambda: (o := self.order(order["id"]))["status"] == "shipped" and o
        )
        self.say(f"{order['order_number']} inspected, packed as {shipment['shipment_number']}, shipped with {tracking}")
        if order["source"] == "squarespace":
            told = wait_for(
                "the shop to be told",
                lambda: self.shop.get(f"/sandbox/orders/{order['source_order_id']}").json().get("fulfillments"),
            )
            assert [row["trackingNumber"] for row in told] == [tracking]
            self.say("Squarespace was told once")
        invoice, *_ = wait_for("the invoice", lambda: self.staff.rows("/api/v1/invoices", sales_order=order["id"]))
        assert shipped["payment_status"] == "paid"
        assert Decimal(invoice["grand_total"]) == Decimal(shipped["grand_total"])
        self.say(f"invoice {invoice['invoice_number']} over {invoice['grand_total']}, paid")

    # 6 ---------------------------------------------------------------------------------------------------------------
    def trace(self, order: dict[str, Any]) -> None:
        """Follow one shipped serial number back to the vendor of its filament."""
        rows = self.staff.rows("/api/v1/serials", sales_order=order["id"])
        assert len(rows) == 3, f"three sensor housings were shipped, {len(rows)} serials found"
        trace = self.staff.get(f"/api/v1/serials/{rows[0]['serial_number']}/trace")
        lots = ", ".join(f"{lot['lot']} from {lot['vendor']}" for lot in trace["lots"])
        self.say(
            f"trace of {trace['serial']}: {trace['customer']['name']} <- {trace['sales_order']['order_number']} <- "
            f"{trace['production_order']['code']} <- {trace['print_job']['code']} on {trace['printer']['name']} "
            f"<- {lots}"
        )
        assert trace["lots"], "the trace ends before the lot"

    # -----------------------------------------------------------------------------------------------------------------
    def order(self, order_id: int) -> dict[str, Any]:
        """Return a sales order as staff see it."""
        return self.staff.get(f"/api/v1/sales-orders/{order_id}")  # type: ignore[no-any-return]

    def production_orders(self, order: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the production orders of a sales order, first planned first."""
        rows = self.staff.rows("/api/v1/production-orders", sales_order=order["id"])
        return sorted(rows, key=lambda row: row["id"])
