"""Money for orders: recorded by hand, reported by a shop, or charged through a provider."""

from __future__ import annotations

import datetime
import logging
import uuid
from decimal import Decimal
from functools import cache

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.module_loading import import_string

from blb3d.accounts.models import User
from blb3d.core.errors import InvalidValue, NotAllowed, PartnerUnavailable
from blb3d.core.lifecycle import allow
from blb3d.core.money import round_money
from blb3d.core.outbox import emit
from blb3d.core.verbs import verb
from sales.errors import AmountTooHigh, NothingOwed, PaymentDeclined, PaymentsNotSetUp, PaymentUnderWay
from sales.lifecycles import PAYMENT
from sales.models import CustomerUser, Payment, Refund, SalesOrder
from sales.ports import ChargeResult, PaymentBackend
from sales.services.orders import confirm_if_due
from sales.services.supply import locked_order

log = logging.getLogger(__name__)

#: Waits for the money on the account; no provider is asked.
BANK_TRANSFER = "bank_transfer"
#: A charge is settled by asking the provider once its caller must have had its answer, or died.
ASKED_AFTER = datetime.timedelta(minutes=2)
#: A key that the provider does not know after this long was never sent.
GIVEN_UP_AFTER = datetime.timedelta(minutes=10)


@verb
def record_payment(
    order: SalesOrder,
    *,
    amount: Decimal,
    method: str,
    reference: str = "",
    idempotency_key: str | None = None,
    actor: User,
) -> Payment:
    """Record money that came in; a pending order that is paid in full by it is confirmed.

    The same ``idempotency_key`` gives the same payment. Emits ``sales.payment_recorded``.

    Raises:
        AmountTooHigh: it is more than is owed.
        NothingOwed: the order is cancelled.
        InvalidValue: the amount is not above 0, or the key belongs to another payment.
    """
    allow(actor, "sales.record_payment_salesorder")
    locked_order(order)
    key = idempotency_key or uuid.uuid4().hex
    known = Payment.all_objects.filter(idempotency_key=key).first()
    if known is not None:
        if known.sales_order_id != order.pk or known.amount != amount:
            raise InvalidValue("This key belongs to another payment.", details={"field": "idempotency_key"})
        return known
    if not amount.is_finite() or amount <= 0 or amount != round_money(amount):
        raise InvalidValue("The amount must be more than 0, in whole cents.", details={"field": "amount"})
    if not method.strip():
        raise InvalidValue("How was it paid?", details={"field": "method"})
    if order.status == SalesOrder.Status.CANCELLED:
        raise NothingOwed
    if amount > order.amount_owed:
        raise AmountTooHigh(details={"owed": str(order.amount_owed)})
    payment = Payment(
        sales_order=order,
        amount=amount,
        currency=order.currency,
        method=method.strip(),
        reference=reference,
        idempotency_key=key,
        received_at=timezone.now(),
    )
    payment.save()
    _book(order, payment, actor=actor)
    return payment


def _book(order: SalesOrder, payment: Payment, *, actor: User) -> None:
    """Add a received payment to its locked order, and confirm the order if that was all it waited for."""
    order.amount_paid += payment.amount
    order.payment_status = payment_status(order)
    order.save()
    emit(
        "sales.payment_recorded",
        f"{SalesOrder._meta.label_lower}:{order.pk}",
        id=order.pk,
        number=order.order_number,
        payment_id=payment.pk,
        payment_status=order.payment_status,
    )
    confirm_if_due(order, actor=actor)


def payment_status(order: SalesOrder) -> str:
    """Return what an order's amounts say about its payment."""
    if order.amount_paid and order.amount_refunded >= order.amount_paid:
        return SalesOrder.PaymentStatus.REFUNDED
    if order.is_paid:
        return SalesOrder.PaymentStatus.PAID
    return SalesOrder.PaymentStatus.PARTIAL if order.amount_paid else SalesOrder.PaymentStatus.PENDING


def charge_order(order: SalesOrder, *, method: str, token: str, actor: User) -> Payment:
    """Charge what is owed through the provider: the intent is committed, the provider asked, the answer recorded.

    Not a verb, because no transaction may be open while the provider is asked. Repeatable: after a crash the same
    call, or ``settle_intended_payments``, finds the intent and asks the provider by its key before charging again.
    A bank transfer is only noted; staff receive it when the money is there.

    Raises:
        PaymentDeclined: the provider refused; the order is as it was.
        NothingOwed: there is nothing to pay.
        PaymentUnderWay: a charge of another amount for this order is not answered yet.
        NotAllowed: the actor is neither staff nor the order's customer.
    """
    if method == BANK_TRANSFER:
        return _intend(order, method=method, actor=actor)[0]
    backend = payment_backend()
    with transaction.atomic(durable=True):
        payment, is_new = _intend(order, method=method, actor=actor)
    result = None if is_new else backend.find(payment.idempotency_key)
    if result is None:
        result = backend.charge(
            amount=payment.amount,
            currency=payment.currency,
            token=token,
            idempotency_key=payment.idempotency_key,
            description=order.order_number,
        )
    payment = _settle(payment, result, actor=actor)
    order.refresh_from_db()
    if payment.status == Payment.Status.DECLINED:
        raise PaymentDeclined(details={"reason": payment.decline_reason, "payment_id": payment.pk})
    return payment


@verb
def _intend(order: SalesOrder, *, method: str, actor: User) -> tuple[Payment, bool]:
    """Write that the order is about to be charged; return the payment and whether it is new."""
    _allow_paying(order, actor)
    locked_order(order)
    if not method.strip():
        raise InvalidValue("How is it paid?", details={"field": "method"})
    if order.status == SalesOrder.Status.CANCELLED or not order.amount_owed:
        raise NothingOwed
    waiting = Payment.objects.filter(sales_order=order, status=Payment.Status.INTENDED, method=method).first()
    if waiting is not None:
        if waiting.amount != order.amount_owed:
            raise PaymentUnderWay
        return waiting, False
    payment = Payment(
        sales_order=order,
        amount=order.amount_owed,
        currency=order.currency,
        method=method,
        idempotency_key=uuid.uuid4().hex,
        status=Payment.Status.INTENDED,
    )
    payment.save()
    return payment, True


def _allow_paying(order: SalesOrder, actor: User) -> None:
    if actor.kind == User.Kind.SYSTEM or actor.has_perm("sales.record_payment_salesorder"):
        return
    if not CustomerUser.objects.filter(customer=order.customer_id, user=actor, is_active=True).exists():
        raise NotAllowed(details={"permission": "sales.record_payment_salesorder"})


@verb
def _settle(payment: Payment, result: ChargeResult, *, actor: User) -> Payment:
    """Record the provider's answer once; a payment that is settled already stays as it is."""
    order = locked_order(payment.sales_order)
    payment.refresh_from_db()
    if payment.status != Payment.Status.INTENDED:
        if payment.status == Payment.Status.DECLINED and result.status == "received":
            log.error("payment %s was given up and is received after all: %s", payment.pk, result.reference)
        return payment
    if result.status == "received":
        with PAYMENT.step(payment, "receive", actor=actor):
            payment.reference, payment.received_at = result.reference, timezone.now()
        _book(order, payment, actor=actor)
    else:
        with PAYMENT.step(payment, "decline", actor=actor) as move:
            payment.reference, payment.decline_reason = result.reference, result.reason[:300]
            move.payload.update(sales_order_id=order.pk, reason=payment.decline_reason)
    return payment


def _provider_payments() -> QuerySet[Payment]:
    return Payment.objects.filter(status=Payment.Status.INTENDED).exclude(method=BANK_TRANSFER)


def settle_intended_payments(*, actor: User) -> list[Payment]:
    """Ask the provider what became of charges whose caller died before writing the answer; return the settled ones.

    A key that the provider does not know is given up some minutes later: it was never sent.
    """
    now = timezone.now()
    settled = []
    for payment in _provider_payments().filter(created_at__lte=now - ASKED_AFTER).order_by("pk"):
        try:
            result = payment_backend().find(payment.idempotency_key)
        except PartnerUnavailable as error:
            log.warning("payment %s cannot be settled now: %s", payment.pk, error)
            continue
        if result is None:
            if payment.created_at > now - GIVEN_UP_AFTER:
                continue
            result = ChargeResult("", "declined", "It was never sent to the provider.")
        settled.append(_settle(payment, result, actor=actor))
    return settled


@verb
def receive_payment(payment: Payment, *, reference: str = "", actor: User) -> Payment:
    """Say that an awaited payment, such as a bank transfer, is on the account."""
    allow(actor, "sales.receive_payment")
    return _settle(payment, ChargeResult(reference or payment.reference, "received"), actor=actor)


@verb
def decline_payment(payment: Payment, *, reason: str = "", actor: User) -> Payment:
    """Say that an awaited payment will not come."""
    allow(actor, "sales.decline_payment")
    return _settle(payment, ChargeResult(payment.reference, "declined", reason), actor=actor)


@verb
def record_refund(
    order: SalesOrder,
    *,
    amount: Decimal,
    reason: str = "",
    reference: str = "",
    payment: Payment | None = None,
    actor: User,
) -> Refund:
    """Record money that went back. Emits ``sales.refund_recorded``.

    Raises:
        AmountTooHigh: it is more than was paid and not refunded yet.
    """
    allow(actor, "sales.add_refund")
    locked_order(order)
    if not amount.is_finite() or amount <= 0 or amount != round_money(amount):
        raise InvalidValue("The amount must be more than 0, in whole cents.", details={"field": "amount"})
    left = order.amount_paid - order.amount_refunded
    if amount > left:
        raise AmountTooHigh(details={"paid": str(left)})
    refund = Refund(sales_order=order, payment=payment, amount=amount, reason=reason[:300], reference=reference)
    refund.save()
    order.amount_refunded += amount
    order.payment_status = payment_status(order)
    order.save()
    emit(
        "sales.refund_recorded",
        f"{SalesOrder._meta.label_lower}:{order.pk}",
        id=order.pk,
        number=order.order_number,
        refund_id=refund.pk,
    )
    return refund


def payment_backend() -> PaymentBackend:
    """Return the configured payment provider.

    Raises:
        PaymentsNotSetUp: none is configured.
    """
    path: str = settings.PAYMENT_BACKEND  # type: ignore[misc]
    if not path:
        raise PaymentsNotSetUp
    return _load(path)


@cache
def _load(path: str) -> PaymentBackend:
    backend: PaymentBackend = import_string(path)()
    return backend
