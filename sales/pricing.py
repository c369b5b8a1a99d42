"""What custom work costs: a pure function of an estimate and the rules, the same for quotes and change orders.

    per job = material + machine time + set-up + post-processing      each with the markup in it
            + finish - quantity discount - price level + rush          each on what stands above it
            + what is missing to the minimum
            + the difference to a unit price that was agreed

The unit price is the job's price over the quantity, rounded to the cent; the subtotal is unit price times quantity.
The lines are what a customer sees: they add up to the subtotal exactly, and none of them is the margin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from typing import Any

from django.conf import settings

from blb3d.core.errors import InvalidValue
from blb3d.core.money import CENT, ZERO, line_total, round_money, tax_on

#: Raised whenever a rule below changes its meaning, so that an old breakdown says by which formula it was made.
VERSION = "1"
#: The name of the rules of an installation where nobody has activated others.
FROM_SETTINGS = "settings"
MAX_QUANTITY = 1_000_000
_HUNDRED = Decimal(100)
_RATE = Decimal("0.0001")


@dataclass(frozen=True)
class PricingRules:
    """The rates, in the currency of the system. A break is (from quantity, discount as a fraction).

    ``name`` says which version these are. ``machine_rates`` are by printer model, for those that differ from the usual
    rate. ``finish_minutes`` are by hand and per set, paid at ``labour_hourly_rate``. ``tax_rate`` is a fraction; None
    takes the installation's.
    """

    machine_hourly_rate: Decimal
    markup_percent: Decimal
    name: str = FROM_SETTINGS
    material_basis: str = "list"
    machine_rates: dict[str, Decimal] = field(default_factory=dict)
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
    labour_hourly_rate: Decimal = Decimal(0)
    finish_minutes: dict[str, Decimal] = field(default_factory=dict)
    tax_rate: Decimal | None = None

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

    def machine_rate(self, printer_models: Sequence[str]) -> Decimal:
        """Return what an hour costs on printers of these models, one entry per printer: the mean of their rates.

        A model without a rate of its own, and a farm without printers, has the usual one.
        """
        rates = [self.machine_rates.get(model, self.machine_hourly_rate) for model in printer_models]
        if not rates:
            return self.machine_hourly_rate
        return (sum(rates, Decimal(0)) / len(rates)).quantize(_RATE, rounding=ROUND_HALF_UP)


@dataclass(frozen=True)
class PriceInput:
    """What is to be made: grams and minutes per set, how many sets, on how many plates in all.

    ``price_per_kg`` of several filaments is their average by grams. ``machine_rate`` is per hour; None takes the usual
    one of the rules. ``level_discount_percent`` is what the customer always gets. ``agreed_unit_price`` is a person's
    word instead of the computed price. ``tax_rate`` is a fraction; None takes that of the rules.
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
    machine_rate: Decimal | None = None
    level_discount_percent: Decimal = Decimal(0)
    agreed_unit_price: Decimal | None = None
    rules: PricingRules = field(default_factory=PricingRules.from_settings)


@dataclass(frozen=True)
class PriceLine:
    """One line of a breakdown, markup included."""

    key: str
    label: str
    amount: Decimal


@dataclass(frozen=True)
class Price:
    """A price with its lines; ``cost`` is what it costs us, which no customer is shown. ``rules_name`` is the version
    of the rates, ``version`` that of the formula.
    """

    lines: tuple[PriceLine, ...]
    unit_price: Decimal
    subtotal: Decimal
    tax: Decimal
    total: Decimal
    cost: Decimal
    version: str
    rules_name: str
    inputs: dict[str, Any]

    @property
    def margin_percent(self) -> Decimal:
        """What is left of the net price after cost, in percent of it with one place."""
        return margin_percent(self.subtotal, self.cost)

    def breakdown(self) -> dict[str, Any]:
        """Return what is kept with a document, as JSON: the lines, by which rules and from which numbers."""
        return {
            "lines": [{"key": line.key, "label": line.label, "amount": str(line.amount)} for line in self.lines],
            "cost": str(self.cost),
            "rules": self.rules_name,
            "rules_version": self.version,
            "inputs": self.inputs,
        }


def margin_percent(net: Decimal, cost: Decimal) -> Decimal:
    """Return what is left of a net price after cost, in percent of the price with one place; 0 of nothing."""
    if not net:
        return Decimal("0.0")
    return ((net - cost) / net * _HUNDRED).quantize(Decimal("0.1"), rounding=ROUND_HALF_UP)


def costs_of(given: PriceInput) -> dict[str, Decimal]:
    """Return what a job costs us by its estimate, unrounded: material, machine, setup and labour."""
    rules, quantity = given.rules, Decimal(given.quantity)
    rate = rules.machine_hourly_rate if given.machine_rate is None else given.machine_rate
    return {
        "material": given.material_grams * quantity / 1000 * given.price_per_kg,
        "machine": given.print_minutes * quantity / 60 * rate,
        "setup": rules.setup_per_job + rules.setup_per_plate * given.plates,
        "labour": rules.finish_minutes.get(given.finish, Decimal(0)) * quantity / 60 * rules.labour_hourly_rate,
    }


def price(given: PriceInput) -> Price:
    """Price a job.

    Raises:
        InvalidValue: the quantity, an amount, the finish or the rush is not possible.
    """
    _check(given)
    rules, quantity = given.rules, Decimal(given.quantity)
    costs = costs_of(given)
    material, machine, setup, labour = (costs[key] for key in ("material", "machine", "setup", "labour"))
    markup = 1 + rules.markup_percent / _HUNDRED

    exact: list[tuple[str, str, Decimal]] = [
        ("material", "Material", material * markup),
        ("machine", "Machine time", machine * markup),
        ("setup", "Set-up", setup * markup),
        ("labour", "Post-processing", labour * markup),
    ]
    running = sum((amount for _, _, amount in exact), Decimal(0))
    discount = rules.discount(given.quantity)
    for key, label, share in (
        ("finish", f"Finish: {_words(given.finish)}", rules.finish_factors[given.finish] - 1),
        ("quantity", f"Quantity discount {_percent(discount * _HUNDRED)}", -discount),
        (
            "level",
            f"Your price level {_percent(given.level_discount_percent)}",
            -given.level_discount_percent / _HUNDRED,
        ),
        ("rush", f"Priority: {_words(given.rush)}", rules.rush_factors[given.rush] - 1),
    ):
        if share:
            exact.append((key, label, running * share))
            running += running * share

    unit_price = max(round_money(running / quantity), CENT)
    if line_total(unit_price, quantity) < rules.minimum:
        if running < rules.minimum:  # else only the rounding of the unit price fell below it
            exact.append(("minimum", "Minimum order", rules.minimum - running))
        unit_price = (rules.minimum / quantity).quantize(CENT, rounding=ROUND_CEILING)
    subtotal = line_total(unit_price, quantity)
    lines = _rounded(exact, subtotal)
    if given.agreed_unit_price is not None and given.agreed_unit_price != unit_price:
        unit_price = given.agreed_unit_price
        agreed = line_total(unit_price, quantity)
        lines = (*lines, PriceLine("agreed", "Agreed adjustment", agreed - subtotal))
        subtotal = agreed
    tax = tax_on(subtotal, Decimal(0) if given.tax_exempt else _tax_rate(given))
    return Price(
        lines=lines,
        unit_price=unit_price,
        subtotal=subtotal,
        tax=tax,
        total=subtotal + tax,
        cost=round_money(material + machine + setup + labour),
        version=VERSION,
        rules_name=rules.name,
        inputs=_inputs(given),
    )


def price_again(breakdown: dict[str, Any]) -> Price:
    """Return the price that a kept breakdown was made of: the same to the cent, whatever the rules are today."""
    return price(kept_input(breakdown))


def kept_input(breakdown: dict[str, Any]) -> PriceInput:
    """Return what a kept breakdown was made from."""
    kept = dict(breakdown["inputs"])
    rules = PricingRules(**_typed(PricingRules, kept.pop("rules")))
    return PriceInput(**_typed(PriceInput, kept), rules=rules)


def _typed(kind: type[Any], kept: dict[str, Any]) -> dict[str, Any]:
    """Return kept values as the fields of ``kind`` hold them; a field that is younger than what is kept is left out."""
    typed: dict[str, Any] = {}
    for name, annotation in ((f.name, str(f.type)) for f in fields(kind) if f.name in kept):
        value = kept[name]
        if annotation.startswith("dict"):
            typed[name] = {key: Decimal(rate) for key, rate in value.items()}
        elif annotation.startswith("tuple"):
            typed[name] = tuple((least, Decimal(share)) for least, share in value)
        elif annotation.startswith("Decimal") and value is not None:
            typed[name] = Decimal(value)
        else:
            typed[name] = value
    return typed


def _tax_rate(given: PriceInput) -> Decimal:
    if given.tax_rate is not None:
        return given.tax_rate
    return settings.TAX_RATE if given.rules.tax_rate is None else given.rules.tax_rate  # type: ignore[misc,no-any-return]


def _percent(value: Decimal) -> str:
    return f"{value.normalize():f}%" if value % 1 else f"{value:.0f}%"


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
    agreed = given.agreed_unit_price
    if agreed is not None and (not agreed.is_finite() or agreed < CENT or agreed != round_money(agreed)):
        raise InvalidValue(
            "The agreed price must be at least a cent, in whole cents.",
            details={"field": "agreed_unit_price", "value": str(agreed)},
        )
    if not 0 <= given.level_discount_percent < _HUNDRED:
        raise InvalidValue(
            "A price level lies between 0 and 100 percent.",
            details={"field": "level_discount_percent", "value": str(given.level_discount_percent)},
        )
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
