"""Vendors, and what they sell us, from tables."""

from __future__ import annotations

from functools import partial

from django.core.validators import validate_email

from blb3d.core.documents import insert_documents, update_documents
from blb3d.core.tables import Cell, Table, read_text
from inventory.models import Vendor
from inventory.services.imports.sheets import (
    Change,
    Column,
    Plan,
    Sheet,
    as_text,
    batches,
    flag,
    text,
    whole,
)


def _email(cell: Cell) -> str | None:
    address = read_text(cell)
    if address:
        validate_email(address)
    return address or None


VENDOR_COLUMNS = (
    Column("code", ("vendor", "vendor code", "supplier", "supplier code", "number", "no"), text(40),
           "What the vendor is known by", "V-0001", is_required=True),
    Column("name", ("vendor name", "supplier name", "company"), text(200), "Needed for a new vendor", "Filament Ltd"),
    Column("email", ("e mail", "mail", "email address"), _email, "Where purchase orders go", "orders@example.com"),
    Column("phone", ("telephone", "tel"), text(40), "", "+1 555 0100"),
    Column("lead_time_days", ("lead time",), whole(), "", "7", is_number=True),
    Column("is_active", ("active",), flag, "yes or no", "yes"),
    Column("notes", ("note", "remark", "remarks", "comment"), text(10_000), "", ""),
)  # fmt: skip


def plan_vendors(table: Table, *, lock: bool = False) -> Plan:
    """Return what a table of vendors would do: new ones, and values that become others; an empty cell says nothing."""
    plan = Plan()
    sheet = Sheet(table, VENDOR_COLUMNS, plan)
    present: dict[str, Vendor] = {}
    rows = Vendor.all_objects.select_for_update() if lock else Vendor.all_objects.all()
    named = {row.values["code"].upper() for row in sheet.rows if "code" in row.values}
    keys = [pk for pk, code in Vendor.all_objects.order_by("pk").values_list("pk", "code") if code.upper() in named]
    for part in batches(keys):
        present |= {vendor.code.upper(): vendor for vendor in rows.filter(pk__in=part).order_by("pk")}
    first: dict[str, int] = {}
    new: list[Vendor] = []
    changed: list[Vendor] = []
    fields: set[str] = set()
    for row in sheet.rows:
        if not sheet.need(row, "code"):
            continue
        code = row.values["code"]
        # Capitals make no difference on every database.
        if code.upper() in first:
            sheet.wrong(row, "code", f"{code} stands in row {first[code.upper()]} already")
            continue
        first[code.upper()] = row.number
        vendor = present.get(code.upper())
        if vendor is not None and vendor.deleted_at is not None:
            sheet.wrong(row, "code", f"{code} was a vendor that is deleted now")
        elif vendor is None:
            if sheet.need(row, "name") and not row.is_bad:
                new.append(Vendor(**row.values))
                plan.add(Change(row.number, code, is_new=True, values=(("name", "–", row.values["name"]),)))
        elif not row.is_bad:
            values = [
                (name, as_text(getattr(vendor, name)), as_text(value))
                for name, value in row.values.items()
                if name != "code" and getattr(vendor, name) != value
            ]
            for name, value in row.values.items():
                if name != "code":
                    setattr(vendor, name, value)
            if values:
                changed.append(vendor)
                fields |= {name for name, _, _ in values}
                plan.add(Change(row.number, vendor.code, is_new=False, values=tuple(values)))
            else:
                plan.unchanged += 1
    plan.work.append(partial(_write, new, changed, fields))
    return plan


def _write(new: list[Vendor], changed: list[Vendor], fields: set[str]) -> None:
    insert_documents(new, natural_key="code")
    update_documents(changed, sorted(fields))
