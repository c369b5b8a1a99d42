"""What custom work costs: a pure function of an estimate and the rules, the same for quotes and change orders.

    per job = material + machine time + set-up        each with the markup in it
            + finish - quantity discount + rush       each on what stands above it
            + what is missing to the minimum

The unit price is the job's price over the quantity, rounded to the cent; the subtotal is unit price times quantity.
The lines are what a customer sees: they add up to the subtotal exactly, and none of them is the margin.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from decimal import ROUND_CEILING, Decimal
from typing import Any

from django.conf import settings

from blb3d.core.errors import InvalidValue
from blb3d.core.money import CENT, ZERO, line_total, round_money, tax_on

#: Raised whenever a rule below changes its meaning, so that an old breakdown says by which rules it was made.
VERSION = "1"
MAX_QUANTITY = 1_000_000
_HUNDRED = Decimal(100)


@dataclass(frozen=True)
class PricingRules:
    """The rates, in the currency of the system. A break is (from quantity, discount as a fraction)."""

    machine_hourly_rate: Decimal
    markup_percent: Decimal
    setup_per_job: Decimal = Decimal("5.00")
    setup_per_plate: Decimal = Decimal("0.50")
    minimum: Decimal = Decimal("15.00")
    finish_factors: dict[str, Decimal] = field(
        default_factory=lambda: {"standard": Decimal(1), "smooth": Decimal("1.3"), "painted": Decimal("1.5")}
    )
    rush_factors: dict[str, Decimal] = field(
        default_factory=lambda: {
            "standard": Decimal(1),
            "rush": Decimal("1.25"),
            "super_rush": Decimal("1.5"),
            "urgent": Decimal("1.75"),
        }
    )
    quantity_breaks: tuple[tuple[int, Decimal], ...] = (
        (10, Decimal("0.05")),
        (50, Decimal("0.10")),
        (100, Decimal("0.15")),
    )

    @classmethod
    def from_settings(cls) -> PricingRules:
        """Return the rules of this installation."""
        return cls(
            machine_hourly_rate=settings.MACHINE_HOURLY_RATE,  # type: ignore[misc]
            markup_percent=settings.DEFAULT_MARKUP_PERCENT,  # type: ignore[misc]
        )

    def discount(self, quantity: int) -> Decimal:
        """Return the quantity discount as a fraction."""
        return max((share for least, share in self.quantity_breaks if quantity >= least), default=Decimal(0))


@dataclass(frozen=True)
class PriceInput:
    """What is to be made: grams and minutes per set, how many sets, on how many plates in all.

    ``price_per_kg`` of several filaments is their average by grams. ``tax_rate`` is a fraction; None takes the
    installation's.
    """

    material_grams: Decimal
    print_minutes: Decimal
    quantity: int
    price_per_kg: Decimal
    finish: str = "standard"
    rush: str = "standard"
    plates: int = 1
    tax_rate: Decimal | None = None
    tax_exempt: bool = False
    rules: PricingRules = field(default_factory=PricingRules.from_settings)


@dataclass(frozen=True)
class PriceLine:
    """One line of a breakdown, markup included."""

    key: str
    label: str
    amount: Decimal


@dataclass(frozen=True)
class Price:
    """A price with its lines; ``cost`` is what it costs us, which no customer is shown."""

    lines: tuple[PriceLine, ...]
    unit_price: Decimal
    subtotal: Decimal
    tax: Decimal
    total: Decimal
    cost: Decimal
    version: str
    inputs: dict[str, Any]

    def breakdown(self) -> dict[str, Any]:
        """Return what is kept with a document, as JSON: the lines, by which rules and from which numbers."""
        lines = [{"key": line.key, "label": line.label, "amount": str(line.amount)} for line in self.lines]
        return {"lines": lines, "rules_version": self.version, "inputs": self.inputs}


def price(given: PriceInput) -> Price:
    """Price a job.

    Raises:
        InvalidValue: the quantity, an amount, the finish or the rush is not possible.
    """
    _check(given)
    rules, quantity = given.rules, Decimal(given.quantity)
    material = given.material_grams * quantity / 1000 * given.price_per_kg
    machine = given.print_minutes * quantity / 60 * rules.machine_hourly_rate
    setup = rules.setup_per_job + rules.setup_per_plate * given.plates
    markup = 1 + rules.markup_percent / _HUNDRED

    exact: list[tuple[str, str, Decimal]] = [
        ("material", "Material", material * markup),
        ("machine", "Machine time", machine * markup),
        ("setup", "Set-up", setup * markup),
    ]
    running = sum((amount for _, _, amount in exact), Decimal(0))
    discount = rules.discount(given.quantity)
    for key, label, share in (
        ("finish", f"Finish: {_words(given.finish)}", rules.finish_factors[given.finish] - 1),
        ("quantity", f"Quantity discount {discount:.0%}", -discount),
        ("rush", f"Priority: {_words(given.rush)}", rules.rush_factors[given.rush] - 1),
    ):
        if share:
            exact.append((key, label, running * share))
            running += running * share

    unit_price = max(round_money(running / quantity), CENT)
    if line_total(unit_price, quantity) < rules.minimum:
        exact.append(("minimum", "Minimum order", rules.minimum - running))
        unit_price = (rules.minimum / quantity).quantize(CENT, rounding=ROUND_CEILING)
    subtotal = line_total(unit_price, quantity)
    rate = Decimal(0) if given.tax_exempt else _tax_rate(given)
    tax = tax_on(subtotal, rate)
    return Price(
        lines=_rounded(exact, subtotal),
        unit_price=unit_price,
        subtotal=subtotal,
        tax=tax,
        total=subtotal + tax,
        cost=round_money(material + machine + setup),
        version=VERSION,
        inputs=_inputs(given),
    )


def _tax_rate(given: PriceInput) -> Decimal:
    return settings.TAX_RATE if given.tax_rate is None else given.tax_rate  # type: ignore[misc,no-any-return]


def _words(name: str) -> str:
    return name.replace("_", " ")


def _rounded(exact: list[tuple[str, str, Decimal]], subtotal: Decimal) -> tuple[PriceLine, ...]:
    """Round every line and let the largest one carry what the rounding of the unit price leaves over."""
    lines = [PriceLine(key, label, round_money(amount)) for key, label, amount in exact]
    left = subtotal - sum((line.amount for line in lines), ZERO)
    if left:
        largest = max(range(len(lines)), key=lambda index: abs(lines[index].amount))
        line = lines[largest]
        lines[largest] = PriceLine(line.key, line.label, line.amount + left)
    return tuple(line for line in lines if line.amount)


def _check(given: PriceInput) -> None:
    if not 1 <= given.quantity <= MAX_QUANTITY:
        raise InvalidValue(
            f"The quantity must be at least 1 and at most {MAX_QUANTITY}.",
            details={"field": "quantity", "value": given.quantity},
        )
    for name, least in (("material_grams", 0), ("print_minutes", 0), ("price_per_kg", 0), ("plates", 1)):
        value = Decimal(getattr(given, name))
        if not value.is_finite() or value < least:
            raise InvalidValue(f"{name} must be at least {least}.", details={"field": name, "value": str(value)})
    for name, known in (("finish", given.rules.finish_factors), ("rush", given.rules.rush_factors)):
        if getattr(given, name) not in known:
            raise InvalidValue(f"There is no such {name}.", details={"field": name, "allowed": sorted(known)})


def _inputs(given: PriceInput) -> dict[str, Any]:
    def plain(value: Any) -> Any:
        if isinstance(value, Decimal):
            return str(value)
        if isinstance(value, dict):
            return {name: plain(inner) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [plain(inner) for inner in value]
        return value

    return {**plain(asdict(given)), "tax_rate": str(_tax_rate(given))}
