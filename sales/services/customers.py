"""Becoming a customer, and keeping one's people and addresses."""

from __future__ import annotations

import secrets
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from blb3d.accounts import services as accounts
from blb3d.accounts.models import User, normalise_email
from blb3d.core.documents import Document, lock_documents
from blb3d.core.errors import InvalidValue, NotAllowed
from blb3d.core.lifecycle import allow
from blb3d.core.numbering import next_number
from blb3d.core.verbs import verb
from sales.models import Customer, CustomerAddress, CustomerUser

PROFILE_FIELDS = ("name", "company_name", "phone")
ADDRESS_FIELDS = (
    "name",
    "company",
    "address_line1",
    "address_line2",
    "city",
    "state",
    "postal_code",
    "country",
)


def register_customer(
    *, email: str, password: str, first_name: str, last_name: str, company_name: str = "", phone: str = ""
) -> CustomerUser:
    """Create a person who can log in and the customer that they administer, in one transaction.

    A customer that a shop's order made under the same e-mail is not handed over: nobody has proven the address yet.

    Raises:
        EmailTaken, WeakPassword, InvalidValue: as ``register_user`` says.
    """
    with transaction.atomic():
        user = accounts.register_user(
            email=email, password=password, first_name=first_name, last_name=last_name, phone=phone
        )
        return _found_customer(user, company_name=company_name, phone=phone, actor=user)


@verb
def _found_customer(user: User, *, company_name: str, phone: str, actor: User) -> CustomerUser:
    customer = Customer(
        customer_number=next_number("C"),
        name=user.get_full_name() or user.email,
        company_name=company_name.strip(),
        email=user.email,
        phone=phone.strip(),
    )
    _save(customer)
    member = CustomerUser(customer=customer, user=user, role=CustomerUser.Role.ADMIN)
    member.save()
    return member


@verb
def create_customer(*, actor: User, **fields: Any) -> Customer:
    """Create a customer by hand; ``fields`` are the model's own. Raises InvalidValue, NotAllowed."""
    allow(actor, "sales.add_customer")
    customer = Customer(customer_number=next_number("C"), **fields)
    customer.email = normalise_email(customer.email)
    _save(customer)
    return customer


@verb
def customer_for_buyer(*, email: str, name: str, company_name: str = "", phone: str = "", actor: User) -> Customer:
    """Return the customer with this e-mail, or create it: how a shop's buyer becomes a customer.

    An account whose address is unproven is passed over, or a stranger could register somebody's e-mail and read
    their orders. Two orders of a new buyer at once get one customer: the number sequence lines them up.
    """
    email = normalise_email(email)
    found = _customer_with(email)
    if found is not None:
        return found
    number = next_number("C")
    found = _customer_with(email)
    if found is not None:
        return found
    customer = Customer(
        customer_number=number,
        name=name.strip() or email,
        company_name=company_name.strip(),
        email=email,
        phone=phone.strip()[:40],
    )
    _save(customer)
    return customer


def _customer_with(email: str) -> Customer | None:
    proven = Q(users__user__email=email, users__user__email_verified_at__isnull=False)
    return Customer.objects.filter(proven | Q(users__isnull=True), email=email).order_by("id").first()


@verb
def update_customer(customer: Customer, *, actor: User, version: int | None = None, **changes: str) -> Customer:
    """Set name, company_name and phone, as given; for the customer's administrators and staff."""
    _allow_management(customer, actor)
    _set(customer, PROFILE_FIELDS, changes, version)
    return customer


@verb
def add_customer_user(
    customer: Customer, *, email: str, first_name: str, last_name: str, role: str = "BUYER", actor: User
) -> CustomerUser:
    """Give a colleague access; they choose their password by a mailed link.

    Raises:
        EmailTaken: somebody has the e-mail.
        NotAllowed: the actor is not an administrator of the customer.
    """
    _allow_management(customer, actor)
    user = accounts.register_user(
        email=email, password=secrets.token_urlsafe(24), first_name=first_name, last_name=last_name, actor=actor
    )
    member = CustomerUser(customer=customer, user=user, role=role)
    _save(member)
    accounts.request_password_reset(user.email, actor=actor)
    return member


@verb
def update_customer_user(
    member: CustomerUser, *, actor: User, version: int | None = None, **changes: Any
) -> CustomerUser:
    """Set role, approval_limit and is_active of a colleague; the last administrator stays one.

    Raises:
        InvalidValue: nobody would be left to administer the customer.
    """
    _allow_management(member.customer, actor)
    lock_documents(Customer.objects.filter(pk=member.customer_id))
    _set(member, ("role", "approval_limit", "is_active"), changes, version)
    admins = CustomerUser.objects.filter(
        customer=member.customer_id, role=CustomerUser.Role.ADMIN, is_active=True, user__is_active=True
    )
    if not admins.exists():
        raise InvalidValue("A customer needs an administrator.", details={"field": "role"})
    return member


@verb
def save_address(
    customer: Customer,
    *,
    actor: User,
    address: CustomerAddress | None = None,
    version: int | None = None,
    **fields: Any,
) -> CustomerAddress:
    """Add an address, or change the one given; a new default takes the place of the old one of its kind."""
    _allow_management(customer, actor)
    address = address or CustomerAddress(customer=customer)
    kind = fields.get("address_type", address.address_type)
    if fields.get("is_default"):
        for other in CustomerAddress.objects.filter(customer=customer, address_type=kind, is_default=True):
            if other.pk != address.pk:
                other.is_default = False
                other.save()
    _set(address, (*ADDRESS_FIELDS, "address_type", "is_default"), fields, version)
    return address


@verb
def remove_address(address: CustomerAddress, *, actor: User) -> None:
    """Take an address off the list; orders keep their own copy of it."""
    _allow_management(address.customer, actor)
    address.is_default = False
    address.deleted_at = timezone.now()
    address.save()


def _allow_management(customer: Customer, actor: User) -> None:
    """Let staff with the permission and the customer's own administrators through."""
    if actor.kind == User.Kind.SYSTEM or actor.has_perm("sales.change_customer"):
        return
    is_admin = CustomerUser.objects.filter(
        customer=customer, user=actor, role=CustomerUser.Role.ADMIN, is_active=True
    ).exists()
    if not is_admin:
        raise NotAllowed("Only an administrator of the company may do this.")


def _set(document: Document, known: tuple[str, ...], changes: dict[str, Any], version: int | None) -> None:
    document.check_version(version)
    unknown = sorted(set(changes) - set(known))
    if unknown:
        raise InvalidValue(f"Not to be changed here: {', '.join(unknown)}.")
    for name, value in changes.items():
        setattr(document, name, value.strip() if isinstance(value, str) else value)
    _save(document)


def _save(document: Document) -> None:
    try:
        document.clean_fields()
    except ValidationError as error:
        raise InvalidValue(details={"fields": error.message_dict}) from None
    document.save()
