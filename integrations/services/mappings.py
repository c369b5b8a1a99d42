"""Which of our products a shop's product is, and what becomes of orders that waited to know."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from django.db.models import Q

from blb3d.accounts.models import User
from blb3d.core.errors import InvalidValue
from blb3d.core.lifecycle import allow
from blb3d.core.verbs import verb
from integrations.models import MAX_PER_KIT, Marketplace, MarketplaceMappingLine, MarketplaceProductMapping
from inventory.models import Product
from sales import services as sales
from sales.models import SalesOrder, SalesOrderLine


class Sold(Protocol):
    """What a shop says of something it sold; an id that it does not have is empty."""

    @property
    def variant_id(self) -> str:
        """The variant's id."""
        ...

    @property
    def product_id(self) -> str:
        """The product's id, the same for all its variants."""
        ...

    @property
    def sku(self) -> str:
        """The shop's SKU."""
        ...


@verb
def map_product(
    marketplace: str,
    marketplace_product_id: str,
    sku: str,
    products: Sequence[tuple[Product, int]],
    *,
    name: str = "",
    actor: User,
) -> MarketplaceProductMapping:
    """Say which products one sold piece of a shop's product is, and let go the orders that waited for it.

    ``marketplace_product_id`` is the variant's id where the shop has variants; an existing mapping of it is replaced.
    Several products, or more than one of one, make a kit.

    Raises:
        InvalidValue: the shop is unknown, nothing identifies its product, or a product is missing, double, not
            sold or taken in an impossible quantity.
    """
    allow(actor, "integrations.change_marketplaceproductmapping")
    marketplace_product_id, sku = marketplace_product_id.strip(), sku.strip()
    if marketplace not in Marketplace.values:
        raise InvalidValue("There is no such shop.", details={"field": "marketplace", "value": marketplace})
    if not marketplace_product_id and not sku:
        raise InvalidValue("The shop's product id or SKU is needed.", details={"field": "marketplace_product_id"})
    if not products:
        raise InvalidValue("Please name at least one product.", details={"field": "products"})
    if not all(1 <= quantity <= MAX_PER_KIT for _, quantity in products):
        raise InvalidValue(f"A kit holds 1 to {MAX_PER_KIT} of a product.", details={"field": "products"})
    if len({product.pk for product, _ in products}) < len(products):
        raise InvalidValue("A product is named twice.", details={"field": "products"})
    for product, _ in products:
        if not product.is_active:
            raise InvalidValue(f"{product.sku} is not sold any more.", details={"field": "products"})
    # Without an id of the shop the SKU stands in for it: every mapping needs one that is its own.
    key = marketplace_product_id or sku
    mapping = MarketplaceProductMapping.all_objects.filter(marketplace=marketplace, marketplace_product_id=key).first()
    if mapping is None:
        mapping = MarketplaceProductMapping(marketplace=marketplace, marketplace_product_id=key)
    mapping.marketplace_sku = sku or mapping.marketplace_sku
    mapping.marketplace_name = name.strip() or mapping.marketplace_name
    mapping.is_active, mapping.deleted_at = True, None
    is_kit = len(products) > 1 or products[0][1] > 1
    mapping.erp_product = None if is_kit else products[0][0]
    mapping.save()
    mapping.lines.all().delete()
    if is_kit:
        MarketplaceMappingLine.objects.bulk_create(
            MarketplaceMappingLine(mapping=mapping, product=product, quantity=quantity)
            for product, quantity in products
        )
    release_mapped_lines(mapping, actor=actor)
    return mapping


@verb
def release_mapped_lines(mapping: MarketplaceProductMapping, *, actor: User) -> list[SalesOrder]:
    """Give every unmapped line of this shop's product its products; orders held only for that go on.

    A mapping that names no product that is sold changes nothing. Returns the orders that were touched.
    """
    allow(actor, "integrations.change_marketplaceproductmapping")
    products = products_of(mapping)
    if not products:
        return []
    wanted = Q(external_product_id=mapping.marketplace_product_id)
    if mapping.marketplace_sku:
        wanted |= Q(external_sku=mapping.marketplace_sku)
    waiting = (
        SalesOrderLine.objects.filter(
            wanted, supply=SalesOrderLine.Supply.UNMAPPED, sales_order__source=mapping.marketplace
        )
        .exclude(sales_order__status=SalesOrder.Status.CANCELLED)
        .select_related("sales_order__customer")
        .order_by("sales_order_id", "line_number")
    )
    return [sales.map_order_line(line, products, actor=actor) for line in waiting]


def products_of(mapping: MarketplaceProductMapping) -> list[tuple[Product, int]]:
    """Return what one sold piece takes; nothing when the mapping is incomplete, switched off or not sold any more.

    A product that is taken once comes first: the price of a kit stands on its first line, and there it needs no
    rounding.
    """
    if not mapping.is_active:
        return []
    kit = [(line.product, line.quantity) for line in mapping.lines.all()]
    single = [(mapping.erp_product, 1)] if mapping.erp_product else []
    products = kit or single
    if not all(product.is_active for product, _ in products):
        return []
    return sorted(products, key=lambda row: row[1] != 1)


def products_for(marketplace: str, sold: Iterable[Sold]) -> dict[tuple[str, str, str], list[tuple[Product, int]]]:
    """Return the products of each thing sold, by (variant id, product id, SKU), in a constant number of queries.

    The variant's mapping is taken, else the product's, else one with the same SKU; what is unmapped is left out.
    """
    keys = {(row.variant_id, row.product_id, row.sku) for row in sold}
    ids = {text for variant, product, _ in keys for text in (variant, product) if text}
    skus = {sku for _, _, sku in keys if sku}
    mappings = (
        MarketplaceProductMapping.objects.filter(
            Q(marketplace_product_id__in=ids | skus) | Q(marketplace_sku__in=skus), marketplace=marketplace
        )
        .select_related("erp_product")
        .prefetch_related("lines__product")
        .order_by("-id")
    )
    by_id: dict[str, list[tuple[Product, int]]] = {}
    by_sku: dict[str, list[tuple[Product, int]]] = {}
    for mapping in mappings:
        products = products_of(mapping)
        if products:
            by_id[mapping.marketplace_product_id] = products
            by_sku[mapping.marketplace_sku or mapping.marketplace_product_id] = products
    found = {}
    for variant, product, sku in keys:
        products = by_id.get(variant) or by_id.get(product) or (by_sku.get(sku) if sku else None) or []
        if products:
            found[variant, product, sku] = products
    return found
