"""What the demo farm owns and sells: data only."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from blb3d.core.units import Unit
from inventory.models import Product

D = Decimal


@dataclass(frozen=True)
class Filament:
    """A filament product and its lots; prices follow the farm's base price of 16.99 per kg of PLA."""

    sku: str
    kind: str
    color: str
    hex: str
    price_per_kg: Decimal
    density: Decimal
    lots_kg: tuple[Decimal, ...]
    brand: str = "Bambu Lab"
    vendor: str = "FILAMENT"
    is_default: bool = False


@dataclass(frozen=True)
class DemoPrinter:
    """A printer and the SKUs loaded in its trays, from tray 0."""

    name: str
    model: str
    serial: str
    access_code: str
    loaded: tuple[str, ...]


@dataclass(frozen=True)
class Good:
    """A catalogue product: grams and minutes of one piece, pieces per plate, further components."""

    sku: str
    name: str
    price: Decimal
    filament: str
    grams: Decimal
    minutes: Decimal
    per_plate: int
    #: Its variant's id in the shop.
    shop_id: str
    components: tuple[tuple[str, Decimal], ...] = field(default=(("PK-00001", D(1)),))
    replenishment: str = Product.Replenishment.MAKE_TO_ORDER
    is_serialized: bool = False
    #: What is done after printing: name, work center, minutes a unit.
    steps: tuple[tuple[str, str, Decimal], ...] = ()


VENDORS = (("FILAMENT", "Filament Supply Example", 5), ("PACKMART", "Packaging Example", 3))

#: From so many spools on, a spool costs this part of the list price.
SPOOL_BREAKS = ((D(0), D(1)), (D(10), D("0.93")), (D(40), D("0.88")))
#: What is on order when the demo begins: SKU and spools.
ON_ORDER = (("M-00014", D(4)), ("M-00045", D(3)), ("M-00071", D(2)))

_PLA, _PETG, _ABS, _ASA, _TPU = D("16.99"), D("20.39"), D("18.69"), D("22.09"), D("30.58")
FILAMENTS = (
    Filament("M-00010", "PLA", "Black", "161616", _PLA, D("1.24"), (D("0.6"), D(3)), is_default=True),
    Filament("M-00011", "PLA", "White", "FFFFFF", _PLA, D("1.24"), (D(2), D(2))),
    Filament("M-00012", "PLA", "Blue", "0A2989", _PLA, D("1.24"), (D("0.15"), D(3))),
    Filament("M-00013", "PLA", "Red", "C12E1F", _PLA, D("1.24"), (D(1), D(2))),
    Filament("M-00014", "PLA", "Green", "00AE42", _PLA, D("1.24"), (D(1),)),
    Filament("M-00044", "PETG", "Black", "1F1F1F", _PETG, D("1.27"), (D("0.5"), D(3)), is_default=True),
    Filament("M-00045", "PETG", "Clear", "E6F2F2", _PETG, D("1.27"), (D(1),)),
    Filament("M-00050", "ABS", "Black", "000000", _ABS, D("1.04"), (D(2),), is_default=True),
    Filament("M-00051", "ABS", "White", "F5F5F5", _ABS, D("1.04"), (D(1),)),
    Filament("M-00060", "ASA", "Black", "101010", _ASA, D("1.07"), (D(2),), is_default=True),
    Filament("M-00061", "ASA", "Grey", "8A949E", _ASA, D("1.07"), (D(1),)),
    Filament("M-00070", "TPU", "Black", "0D0D0D", _TPU, D("1.21"), (D(1),), is_default=True),
    Filament("M-00071", "TPU", "Blue", "2850E0", _TPU, D("1.21"), (D("0.5"),)),
)

#: Kinds that take up water: temperature, hours in the dryer, hours that a reel may lie open.
DRYING: dict[str, tuple[int, Decimal, int]] = {"PETG": (65, D(6), 168), "TPU": (70, D(8), 48)}

#: Whose newest lot is on labelled reels.
ON_REELS = ("M-00010", "M-00011", "M-00044", "M-00070")

COMPONENTS = (
    ("PK-00001", "Mailer box 150 x 100 x 60 mm", Product.Category.PACKAGING, Unit.EACH, D("0.38")),
    ("CP-00003", "Heat-set insert M3 x 5.7", Product.Category.COMPONENT, Unit.EACH, D("0.09")),
)

PRINTERS = (
    DemoPrinter("Donatello", "A1", "03900D4A0000001", "10000001", ("M-00010", "M-00012", "M-00044", "M-00013")),
    DemoPrinter("Leonardo", "P1S", "01P00C5A0000002", "10000002", ("M-00050", "M-00060", "M-00044", "M-00010")),
    DemoPrinter("Michelangelo", "A1", "03900D4A0000003", "10000003", ("M-00012", "M-00013", "M-00011", "M-00010")),
    DemoPrinter("Raphael", "A1", "03900D4A0000004", "10000004", ("M-00011", "M-00014", "M-00070", "M-00044")),
)

SHOP = "3b1f6f58-08a0-4d5c-9d40-0000000000"
GOODS = (
    Good("FG-00008", "Fidget Cube", D("9.50"), "M-00011", D("18.4"), D(35), 6, SHOP + "08"),
    Good("FG-00015", "Sea Turtle Blue", D("24.00"), "M-00012", D("62.5"), D(140), 2, SHOP + "15"),
    Good("FG-00022", "Dragon Red", D("38.00"), "M-00013", D("118.2"), D(310), 1, SHOP + "22"),
    Good("FG-00031", "Cable Clip", D("2.90"), "M-00010", D("3.1"), D(8), 24, SHOP + "31",
         replenishment=Product.Replenishment.MAKE_TO_STOCK),
    Good("FG-00040", "Sensor Housing", D("31.00"), "M-00044", D("46.8"), D(125), 2, SHOP + "40",
         components=(("PK-00001", D(1)), ("CP-00003", D(4))), is_serialized=True),
    Good("FG-00047", "Wall Hook with Insert", D("12.50"), "M-00014", D("14.6"), D(32), 4, SHOP + "47",
         components=(("PK-00001", D(1)), ("CP-00003", D(2))),
         steps=(("Deburr", "POST", D(2)), ("Press in inserts", "ASM", D(3)))),
    Good("FG-00053", "Lamp Foot", D("17.00"), "M-00011", D("41.0"), D(96), 2, SHOP + "53"),
    Good("FG-00060", "Tool Clip", D("4.20"), "M-00010", D("6.2"), D(14), 12, SHOP + "60",
         replenishment=Product.Replenishment.MAKE_TO_STOCK),
)  # fmt: skip
