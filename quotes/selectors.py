"""Who may see which quotes, and what can be quoted."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import QuerySet

from blb3d.accounts.models import User
from blb3d.core.errors import InvalidValue
from inventory import selectors as inventory
from inventory.errors import MaterialNotFound
from inventory.models import Product
from quotes.errors import MaterialNotAvailable
from quotes.models import Quote


def for_user(user: User) -> QuerySet[Quote]:
    """Return the quotes that this user may see: staff by permission, a customer's user its company's."""
    rows: QuerySet[Quote] = Quote.objects.all()
    if user.is_staff:
        return rows if user.has_perm("quotes.view_quote") else rows.none()
    return rows.filter(
        customer__users__user=user.pk, customer__users__is_active=True, customer__users__deleted_at__isnull=True
    )


def of_visit(session_id: str) -> QuerySet[Quote]:
    """Return a guest's quotes, as long as nobody has taken them over."""
    if not session_id:
        return Quote.objects.none()
    return Quote.objects.filter(portal_session__session_id=session_id, user__isnull=True, customer__isnull=True)


def told_of(quote: Quote) -> list[str]:
    """Return the addresses that are told about a quote: who asked for it, colleagues who spoke about it, else the
    customer's own; nobody for a guest's. Two queries at most.
    """
    addresses = [quote.user.email] if quote.user is not None and quote.user.is_active else []
    if quote.customer_id is not None:
        speakers = User.objects.filter(
            customer_user__customer=quote.customer_id,
            customer_user__is_active=True,
            is_active=True,
            pk__in=quote.comments.values("author"),
        )
        addresses += speakers.order_by("pk").values_list("email", flat=True)
    if not addresses and quote.customer is not None:
        addresses = [quote.customer.email]
    return list(dict.fromkeys(addresses))


def named(rows: QuerySet[Quote], name: str) -> Quote | None:
    """Return the quote that a path names, by its id or its number."""
    if name.isascii() and name.isdigit() and len(name) < 19:
        return rows.filter(pk=int(name)).first()
    return rows.filter(quote_number=name.upper()).first()


@dataclass(frozen=True)
class Choice:
    """The material that a price is computed with; ``is_chosen`` says that the customer named a colour."""

    material: Product
    is_chosen: bool


def choose(material_type: str, color: str = "") -> Choice:
    """Return the material for a type and a colour, the latter by name ("Black") or as RRGGBB.

    Raises:
        MaterialNotFound: there is no active material of the type.
        MaterialNotAvailable: there is, but not in this colour; nearest is not guessed.
    """
    default = inventory.choose_material(material_type)
    color = color.strip()
    if not color:
        return Choice(default, False)
    same_type = inventory.active_materials().filter(material_type=default.material_type)
    named_so = same_type.filter(color_name__iexact=color[:60]).order_by("pk").first()
    if named_so is not None and not named_so.color_hex:
        return Choice(named_so, True)
    try:
        return Choice(
            inventory.choose_material(material_type, named_so.color_hex if named_so is not None else color), True
        )
    except (MaterialNotFound, InvalidValue):
        colors = sorted(set(same_type.exclude(color_name="").values_list("color_name", flat=True)))
        raise MaterialNotAvailable(
            f"{default.material_type} is not available in that colour.",
            details={"material_type": default.material_type, "color": color[:60], "colors": colors},
        ) from None


def offered_materials() -> list[Product]:
    """Return what customers choose from, by type and colour. One query."""
    return list(inventory.active_materials().order_by("material_type", "color_name", "pk"))
