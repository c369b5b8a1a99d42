"""The farm that is soaked: so many printers of four families, a catalogue in six filaments, stock enough."""

from __future__ import annotations

from decimal import Decimal

from blb3d.accounts.models import User
from blb3d.core.units import Unit
from blb3d.demo import seed
from blb3d.demo.catalogue import FILAMENTS, VENDORS, Filament, Good
from integrations.models import PrinterConnection
from inventory.models import Product
from production.models import Printer, PrinterSlot, WorkCenter

D = Decimal

MODELS = ("X1C", "P1S", "A1", "H2D")
#: Each printer holds four of them, in turn, so that every filament is in two printers of three.
LOADED = ("M-00010", "M-00011", "M-00012", "M-00013", "M-00044", "M-00050")
PACKAGING = ("PK-00001", "Mailer box 150 x 100 x 60 mm", Product.Category.PACKAGING, Unit.EACH, D("0.38"))
#: Small lots before a large one: a job often takes from two of them.
LOTS_KG = (D("0.21"), D("0.35"), D("0.5"), D(900))
GOODS = (
    Good("SK-00001", "Clip", D(3), "M-00010", D("3.17"), D(20), 12, "soak-1"),
    Good("SK-00002", "Cube", D(9), "M-00011", D("18.43"), D(35), 6, "soak-2"),
    Good("SK-00003", "Turtle", D(24), "M-00012", D("62.51"), D(120), 2, "soak-3"),
    Good("SK-00004", "Dragon", D(38), "M-00013", D("118.27"), D(310), 1, "soak-4"),
    Good("SK-00005", "Housing", D(31), "M-00044", D("46.83"), D(125), 2, "soak-5", is_serialized=True),
    Good("SK-00006", "Bracket", D(12), "M-00050", D("21.09"), D(50), 5, "soak-6"),
)


def load(*, printers: int, ftps_port: int) -> None:
    """Load the farm into an empty database; the first printer's card listens at ``ftps_port``."""
    seeder = User.objects.system("demo")
    seed.add_places(seeder)
    seed.add_component(*PACKAGING, seeder, quantity=1_000_000)
    filaments = {row.sku: row for row in FILAMENTS}
    materials = [seed.add_filament(_stocked(filaments[sku]), seeder) for sku in LOADED]
    for good in GOODS:
        seed.add_good(good, seeder, models=MODELS)
    center = WorkCenter.objects.get(code="PRINT")
    for number in range(printers):
        _printer(number, center, materials, ftps_port + number)
    seed.plate_robot()


def _stocked(row: Filament) -> Filament:
    assert row.vendor in {vendor[0] for vendor in VENDORS}
    return Filament(row.sku, row.kind, row.color, row.hex, row.price_per_kg, row.density, LOTS_KG,
                    is_default=row.is_default)  # fmt: skip


def _printer(number: int, center: WorkCenter, materials: list[Product], ftps_port: int) -> None:
    model = MODELS[number % len(MODELS)]
    printer = Printer.objects.create(
        name=f"Soak {number + 1:03d}", serial=f"SOAK{model}{number + 1:05d}", model=model, work_center=center
    )
    loaded = [materials[(number + step) % len(materials)] for step in range(4)]
    PrinterSlot.objects.bulk_create(
        PrinterSlot(printer=printer, tray=tray, material=row, material_type=row.material_type, color_hex=row.color_hex)
        for tray, row in enumerate(loaded)
    )
    link = PrinterConnection(printer=printer, host="127.0.0.1", ftps_port=ftps_port, use_tls=False)
    link.set_access_code(f"{number + 1:08d}")
    link.save()
