"""The roles of a print farm as data: which group may do what. `manage.py sync_roles` writes them to the database.

A pattern names permissions as `app.codename`, with `*` for any text. One that fits nothing is an error:
either the name is misspelt or the permission is gone.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from django.contrib.auth.models import Group, Permission
from django.db import transaction

from blb3d.accounts.errors import UnknownPermission

_EVERYTHING_VISIBLE = ("inventory.view_*", "production.view_*", "sales.view_*", "quotes.view_*", "integrations.view_*")

_OPERATOR = (
    "inventory.view_*",
    "inventory.download_productfile",
    "production.view_*",
    "sales.view_salesorder",
    "sales.view_salesorderline",
    "sales.view_shipment",
    "sales.view_shipmentline",
    "inventory.change_spool",
    "inventory.count_cyclecount",
    "inventory.submit_cyclecount",
    "inventory.add_purchaserequisition",
    "production.*_printjob",
    "production.change_printer",
    "production.add_printerproblem",
    "production.resolve_printerproblem",
    "production.add_jobphoto",
    "production.start_productionorder",
    "production.complete_productionorder",
    "production.fail_productionorder",
    "production.retry_productionorder",
    "production.start_productionoperation",
    "production.report_productionoperation",
    "sales.pack_shipment",
)
_SALES = (
    *_EVERYTHING_VISIBLE,
    "quotes.*_quote",
    "quotes.*_quotefile",
    "sales.*",
    "integrations.*_marketplaceproductmapping",
    "integrations.*_marketplacemappingline",
)
_PURCHASING = (
    *_EVERYTHING_VISIBLE,
    "inventory.download_productfile",
    "inventory.*_vendor",
    "inventory.*_purchaseorder",
    "inventory.*_purchaseorderline",
    "inventory.*_purchaserequisition",
    "inventory.*_vendoritem",
    "inventory.*_vendorprice",
    "inventory.*_goodsreceipt",
    "inventory.*_landedcost",
    "inventory.*_vendorreturn",
    "inventory.*_vendorbill",
    "inventory.*_vendorbillline",
    "inventory.*_materiallot",
    "inventory.*_spool",
    "inventory.*_product",
    "inventory.*_importbatch",
    "production.run_mrp",
    "production.*_firmorder",
    "production.*_forecast",
)
_QUALITY = (
    *_EVERYTHING_VISIBLE,
    "inventory.*_productfile",
    "inventory.*_materiallot",
    "production.start_productionoperation",
    "production.report_productionoperation",
    "production.*_qualityinspection",
    "production.*_nonconformance",
    "production.*_serialnumber",
)
_MANAGER = ("inventory.*", "production.*", "sales.*", "quotes.*", "integrations.*", "core.*", "accounts.view_*")

# Their addresses may hold a password or a token: of a camera, of somebody's webhook.
_ADDRESSES = ("integrations.view_printerconnection", "integrations.view_noticerule")

# What the patterns would give and the role does not have: the higher levels of approval, what prices are made of, and
# addresses.
EXCEPT: dict[str, tuple[str, ...]] = {
    "sales": ("quotes.approve_level2_quote", "quotes.approve_level3_quote", "sales.activate_pricerules", *_ADDRESSES),
    # Who writes orders and enters bills does not also say yes to them.
    "purchasing": (
        "inventory.approve_purchaseorder",
        "inventory.approve_own_purchaseorder",
        "inventory.approve_vendorbill",
        *_ADDRESSES,
    ),
    "quality": _ADDRESSES,
    # Who runs the store does not also open closed books or date movements back without a limit.
    "manager": (
        "quotes.approve_level3_quote",
        "inventory.reopen_stockperiod",
        "inventory.backdate_stock",
        "inventory.approve_own_purchaseorder",
    ),
}

ROLES: dict[str, tuple[str, ...]] = {
    "operator": _OPERATOR,
    "sales": _SALES,
    "purchasing": _PURCHASING,
    "quality": _QUALITY,
    "manager": _MANAGER,
    "owner": (*_MANAGER, "accounts.*", "auth.view_*"),
}


def permissions_matching(patterns: Iterable[str], *, excluded: Iterable[str] = ()) -> list[Permission]:
    """Return the permissions that fit any of the patterns, each once.

    Raises:
        UnknownPermission: a pattern fits none; `details` names all such.
    """
    known = {f"{p.content_type.app_label}.{p.codename}": p for p in Permission.objects.select_related("content_type")}
    found: dict[str, Permission] = {}
    unknown: list[str] = []
    for pattern in patterns:
        fitting = {name: permission for name, permission in known.items() if fnmatchcase(name, pattern)}
        if not fitting:
            unknown.append(pattern)
        found |= fitting
    unknown += [pattern for pattern in excluded if pattern not in known]
    if unknown:
        raise UnknownPermission(f"No permission fits {', '.join(unknown)}.", details={"unknown": unknown})
    return [permission for name, permission in found.items() if name not in set(excluded)]


@transaction.atomic
def sync_roles() -> dict[str, int]:
    """Make the groups exactly what `ROLES` says; return how many permissions each has. Other groups are left alone."""
    counts: dict[str, int] = {}
    for name, patterns in ROLES.items():
        permissions = permissions_matching(patterns, excluded=EXCEPT.get(name, ()))
        group, _ = Group.objects.get_or_create(name=name)
        group.permissions.set(permissions)
        counts[name] = len(permissions)
    return counts
