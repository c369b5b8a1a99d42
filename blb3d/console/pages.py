"""Pages of the console that are not a table's: what must be bought, and where a part came from."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from blb3d.console.navigation import MATERIALS, TRACE, Page, admin_of, page_url
from blb3d.core.errors import NotFound
from blb3d.core.templatetags.blb3d_ui import plain_number
from inventory.models import MaterialLot, Product
from production.models import SerialNumber
from production.selectors import material_requirements, trace_lot, trace_serial
from sales.selectors import lot_customers


def _show(request: HttpRequest, page: Page, template: str, context: dict[str, Any]) -> TemplateResponse:
    frame = {**admin.site.each_context(request), "title": page.title, **context}
    return TemplateResponse(request, f"admin/console/{template}.html", frame)


def _check(request: HttpRequest, page: Page) -> None:
    if not request.user.has_perms(page.permissions):  # type: ignore[union-attr]
        raise PermissionDenied


def materials(request: HttpRequest) -> TemplateResponse:
    """Show what open production orders need, what is there for them, and what is short."""
    _check(request, MATERIALS)
    rows = sorted(material_requirements(include_all=True), key=lambda row: (-row.shortage_kg, row.material_sku))
    units = dict(Product.objects.filter(pk__in=[row.material_id for row in rows]).values_list("pk", "unit_of_measure"))
    shown = [(row, page_url("inventory.Product", row.material_id, request), units[row.material_id]) for row in rows]
    buy = admin_of("inventory.PurchaseOrder", request)
    may_buy = buy is not None and buy.has_add_permission(request)
    buy_url = reverse("admin:inventory_purchaseorder_add") if may_buy else ""
    return _show(request, MATERIALS, "materials", {"rows": shown, "buy_url": buy_url})


def trace(request: HttpRequest) -> TemplateResponse:
    """Show where the part of a serial number came from and went, or where a lot went."""
    _check(request, TRACE)
    number = request.GET.get("number", "").strip()
    context: dict[str, Any] = {"number": number, "found": None}
    if number:
        try:
            context |= {"kind": "serial", "found": trace_serial(number)}
        except NotFound:
            lot = MaterialLot.objects.select_related("product", "vendor").filter(lot_number=number).first()
            if lot is not None:
                told = [{"id": customer.pk, "name": str(customer)} for customer in lot_customers(lot)]
                found = {**trace_lot(lot), "customers": told, "unit": lot.product.unit_of_measure}
                context |= {"kind": "lot", "found": found}
    if context["found"]:
        context["steps"] = list(_steps(context["kind"], context["found"], request))
    return _show(request, TRACE, "trace", context)


def _by(job: dict[str, Any], is_alone: bool) -> str:
    """Say on which printer a job was printed, where that does not stand beside it, and who cleared its plate."""
    cleared = f"cleared by {job['cleared_by']}" if job["cleared_by"] else ""
    return ", ".join(word for word in ("" if is_alone else job["printer"], cleared) if word)


def _steps(kind: str, found: dict[str, Any], request: HttpRequest) -> Any:
    """Yield (what, [(text, address, note)]) from where it came to where it went."""

    def one(what: str, label: str, row: dict[str, Any] | None, text: str) -> Any:
        if row:
            yield (
                what,
                [(row[text], page_url(label, row["id"], request), row.get("name", "") if text != "name" else "")],
            )

    def lots(rows: list[dict[str, Any]]) -> Any:
        pks = dict(MaterialLot.objects.filter(lot_number__in=[r["lot"] for r in rows]).values_list("lot_number", "pk"))
        for row in rows:
            address = page_url("inventory.MaterialLot", pks[row["lot"]], request) if row["lot"] in pks else ""
            vendor = f", {row['vendor']} {row['vendor_lot']}".rstrip() if row["vendor"] else ""
            yield (
                row["lot"] or "no lot",
                address,
                f"{plain_number(row['quantity'])} {row['unit']} {row['material']}{vendor}",
            )

    if kind == "serial":
        yield from one("Product", "inventory.Product", found["product"], "sku")
        if found["lots"]:
            yield "Material lots", list(lots(found["lots"]))
        if found["spools"]:
            yield "Spools", [(row["label"], "", f"{row['lot']}, {row['print_job']}") for row in found["spools"]]
        is_of_one_job = len(found["print_jobs"]) == 1
        if is_of_one_job:
            yield from one("Printer", "production.Printer", found["printer"], "name")
        if found["print_jobs"]:
            several = "One of these print jobs" if found["print_job"] is None else "Print jobs"
            yield (
                "Print job" if is_of_one_job else several,
                [
                    (row["code"], page_url("production.PrintJob", row["id"], request), _by(row, is_of_one_job))
                    for row in found["print_jobs"]
                ],
            )
        yield from one("Production order", "production.ProductionOrder", found["production_order"], "code")
        if found["operations"]:
            yield (
                "Operations",
                [
                    (row["operation"], "", f"{row['good']} good, {row['scrap']} scrap, by {row['by']}")
                    for row in found["operations"]
                ],
            )
        if found["inspections"]:
            yield (
                "Inspections",
                [
                    (
                        row["type"].replace("_", " ").capitalize(),
                        "",
                        f"{'passed' if row['passed'] else 'failed'}, {row['inspector']}",
                    )
                    for row in found["inspections"]
                ],
            )
        yield from one("Sales order", "sales.SalesOrder", found["sales_order"], "order_number")
        yield from one("Customer", "sales.Customer", found["customer"], "name")
        yield from one("Shipment", "sales.Shipment", found["shipment"], "shipment_number")
        return
    yield from one("Material", "inventory.Product", found["product"], "sku")
    yield from one("Vendor", "inventory.Vendor", found["vendor"], "name")
    if found["production_orders"]:
        yield (
            "Production orders",
            [
                (
                    row["code"],
                    page_url("production.ProductionOrder", row["id"], request),
                    f"{plain_number(row['quantity'])} {found['unit']} for {row['sku']}, {', '.join(row['print_jobs'])}",
                )
                for row in found["production_orders"]
            ],
        )
    if found["serials"]:
        pks = dict(
            SerialNumber.objects.filter(
                serial_number__in=[row["serial_number"] for row in found["serials"]]
            ).values_list("serial_number", "pk")
        )
        yield (
            "Serial numbers",
            [
                (
                    row["serial_number"],
                    page_url("production.SerialNumber", pks[row["serial_number"]], request),
                    row["status"].lower(),
                )
                for row in found["serials"]
            ],
        )
    if found["customers"]:
        yield (
            "Customers",
            [(row["name"], page_url("sales.Customer", row["id"], request), "") for row in found["customers"]],
        )


urlpatterns: list[URLPattern] = [
    path("admin/materials/", admin.site.admin_view(materials), name=MATERIALS.url_name),
    path("admin/trace/", admin.site.admin_view(trace), name=TRACE.url_name),
]
