"""Who may do what to a quote."""

from __future__ import annotations

from blb3d.accounts.models import User
from blb3d.core.errors import NotAllowed
from quotes.errors import NoCustomer, OverApprovalLimit
from quotes.lifecycles import QUOTE
from quotes.models import Quote
from sales import selectors as sales
from sales.models import Customer, CustomerUser


def acts_for(actor: User, customer: Customer | None) -> CustomerUser | None:
    """Return the actor's membership of this customer, if it has one."""
    member = sales.membership_of(actor)
    return member if member is not None and customer is not None and member.customer_id == customer.pk else None


def allow(quote: Quote, step: str, *, actor: User) -> None:
    """Let through the system, staff with the step's permission, and the quote's customer where the step is theirs.

    Raises:
        NotAllowed: the actor is none of these.
    """
    declared = QUOTE.steps[step]
    if actor.kind == User.Kind.SYSTEM or (declared.permission and actor.has_perm(declared.permission)):
        return
    if not declared.by_customer or acts_for(actor, quote.customer) is None:
        raise NotAllowed(details={"permission": declared.permission or ""})


def allow_quoting(customer: Customer | None, *, actor: User, permission: str = "quotes.add_quote") -> None:
    """Let through who may ask for a quote for this customer, or change one.

    Raises:
        NotAllowed: the actor is neither staff with the permission nor of this customer.
    """
    if actor.kind == User.Kind.SYSTEM or actor.has_perm(permission):
        return
    if acts_for(actor, customer) is None:
        raise NotAllowed(details={"permission": permission})


def allow_ordering(quote: Quote, step: str, *, actor: User) -> None:
    """Let through who may accept or order a quote: a buyer only up to its limit.

    Raises:
        NoCustomer: it is a guest's quote.
        NotAllowed: the actor is neither staff with the permission nor of this customer.
        OverApprovalLimit: it costs more than the buyer may accept.
    """
    if quote.customer is None:
        raise NoCustomer
    allow(quote, step, actor=actor)
    member = acts_for(actor, quote.customer)
    if member is None or member.role != CustomerUser.Role.BUYER or member.approval_limit is None:
        return
    if quote.total_price is not None and quote.total_price > member.approval_limit:
        raise OverApprovalLimit(
            details={"approval_limit": str(member.approval_limit), "total_price": str(quote.total_price)}
        )
