"""The demo farm: the owner's four printers, believable stock, a catalogue, customers and a user for each role.

Loading twice changes nothing. Everything goes through verbs, as a person would enter it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone
from django.utils.module_loading import import_string

from blb3d.accounts.models import User
from blb3d.core.money import round_money
from blb3d.core.units import Unit
from blb3d.demo.catalogue import (
    COMPONENTS,
    DRYING,
    FILAMENTS,
    GOODS,
    ON_ORDER,
    ON_REELS,
    PRINTERS,
    SPOOL_BREAKS,
    VENDORS,
    Filament,
    Good,
)
from integrations.models import Channel, Marketplace, MarketplaceProductMapping, PrinterConnection
from inventory import services as inventory
from inventory.models import (
    InventoryLocation,
    MaterialLot,
    Product,
    ProductPlate,
    PurchaseOrder,
    Spool,
    Vendor,
    VendorItem,
)
from production import services as production
from production.models import Printer, PrinterSlot, Routing, WorkCenter
from production.ports import SliceFilament, Slicer, SliceRequest
from sales import services as sales
from sales.models import Customer, CustomerAddress


@dataclass(frozen=True)
class DemoUser:
    """Somebody who can log in to the demo."""

    title: str
    email: str
    password: str
    group: str
    start: str = "/admin/"


USERS = (
    DemoUser("owner", "owner@demo.example", "farm-owner-demo", "owner"),
    DemoUser("manager", "manager@demo.example", "farm-manager-demo", "manager"),
    DemoUser("sales desk", "sales@demo.example", "farm-sales-demo", "sales"),
    DemoUser("operator", "operator@demo.example", "farm-operator-demo", "operator"),
    DemoUser("quality", "quality@demo.example", "farm-quality-demo", "quality"),
    DemoUser("purchasing", "purchasing@demo.example", "farm-purchasing-demo", "purchasing"),
    DemoUser("customer", "buyer@customer.example", "farm-customer-demo", "", "/"),
)


ROBOT = "plate-robot@demo.example"


def load(*, ftps_port: int) -> None:
    """Load the demo farm, or bring it up to date; ``ftps_port`` is the first simulated printer's upload port."""
    seeder = User.objects.system("demo")
    _users()
    production.add_standard_defects(actor=seeder)
    add_places(seeder)
    materials = {filament.sku: add_filament(filament, seeder) for filament in FILAMENTS}
    for sku, name, category, unit, cost in COMPONENTS:
        add_component(sku, name, category, unit, cost, seeder)
    add_spools(seeder)
    add_terms(seeder)
    add_order(seeder)
    _printers(materials, ftps_port)
    models = sorted({row.model for row in PRINTERS})
    for good in GOODS:
        add_good(good, seeder, models=models)
        _routing(good, seeder)
    _customer(seeder)
    Channel.objects.get_or_create(marketplace=Marketplace.SQUARESPACE)


def _users() -> None:
    for row in USERS:
        if not row.group or User.objects.filter(email=row.email).exists():
            continue
        user = User.objects.create_user(row.email, row.password, first_name=row.title.capitalize(), is_staff=True)
        user.groups.add(Group.objects.get(name=row.group))
        if row.group == "owner":
            user.is_superuser = True
            user.save()


def plate_robot() -> User:
    """Return the user who clears plates where no person does, made at the first call; nobody can log in as it."""
    found = User.objects.filter(email=ROBOT).first()
    if found is None:
        found = User.objects.create_user(ROBOT, None, first_name="Plate", last_name="robot", is_staff=True)
        found.groups.add(*Group.objects.filter(name__in=("operator", "quality")))
    return found


def add_places(seeder: User) -> None:
    """Add stores, work centers and vendors."""
    for code, name, default in (
        ("MAIN", "Main store", True),
        ("FG", "Finished goods", False),
        ("DRY-1", "Drybox beside the printers", False),
    ):
        InventoryLocation.objects.get_or_create(code=code, defaults={"name": name, "is_default": default})
    for code, name, kind in (
        ("PRINT", "Print room", "print"),
        ("POST", "Deburring", "post_process"),
        ("ASM", "Assembly", "assemble"),
        ("QC", "Inspection", "inspect"),
        ("PACK", "Packing", "pack"),
    ):
        WorkCenter.objects.get_or_create(code=code, defaults={"name": name, "kind": kind})
    for code, name, days in VENDORS:
        Vendor.objects.get_or_create(code=code, defaults={"name": name, "lead_time_days": days})


def add_filament(filament: Filament, seeder: User) -> Product:
    """Add a filament with its lots, or return it as it is."""
    found = Product.objects.filter(sku=filament.sku).first()
    if found:
        return found
    celsius, hours, open_hours = DRYING.get(filament.kind, (0, Decimal(0), 0))
    product = inventory.create_product(
        sku=filament.sku,
        name=f"{filament.kind} {filament.color} 1.75 mm",
        category=Product.Category.MATERIAL,
        unit_of_measure=Unit.KILOGRAM,
        replenishment=Product.Replenishment.BUY,
        unit_cost=filament.price_per_kg,
        price_per_kg=filament.price_per_kg,
        material_type=filament.kind,
        brand=filament.brand,
        color_name=filament.color,
        color_hex=filament.hex,
        diameter_mm=Decimal("1.75"),
        density_g_cm3=filament.density,
        is_lot_tracked=True,
        is_type_default=filament.is_default,
        is_hygroscopic=filament.kind in DRYING,
        drying_celsius=celsius,
        drying_hours=hours,
        open_hours=open_hours,
        reorder_point=Decimal(1),
        lead_time_days=5,
        actor=seeder,
    )
    vendor = Vendor.objects.get(code=filament.vendor)
    for number, kilograms in enumerate(filament.lots_kg, start=1):
        inventory.receive_lot(
            product,
            lot_number=f"{filament.sku}-25{number:02d}",
            quantity=kilograms,
            unit_cost=filament.price_per_kg,
            vendor=vendor,
            actor=seeder,
        )
    return product


def add_spools(seeder: User) -> None:
    """Put some of the newest lots onto labelled reels, the first time; those that take up water lie in the drybox."""
    if Spool.objects.exists():
        return
    drybox = InventoryLocation.objects.get(code="DRY-1")
    for sku in ON_REELS:
        lot = MaterialLot.objects.filter(product__sku=sku).select_related("product").order_by("-id").first()
        if lot is None or lot.quantity_remaining < 1:
            continue
        count = min(int(lot.quantity_remaining), 2)
        spools = inventory.make_spools(
            lot, count=count, grams_each=Decimal(1000), tare_grams=Decimal(212), actor=seeder
        )
        if lot.product.is_hygroscopic:
            for spool in spools:
                inventory.move_spool(spool, location=drybox, actor=seeder)
            inventory.open_spool(spools[0], at=timezone.now() - timedelta(days=30), actor=seeder)


def add_component(
    sku: str, name: str, category: str, unit: str, cost: Decimal, seeder: User, *, quantity: int = 500
) -> None:
    """Add a bought component with one lot of ``quantity``."""
    if Product.objects.filter(sku=sku).exists():
        return
    product = inventory.create_product(
        sku=sku,
        name=name,
        category=category,
        unit_of_measure=unit,
        replenishment=Product.Replenishment.BUY,
        unit_cost=cost,
        is_lot_tracked=True,
        reorder_point=Decimal(50),
        actor=seeder,
    )
    inventory.receive_lot(
        product,
        lot_number=f"{sku}-2501",
        quantity=Decimal(quantity),
        unit_cost=cost,
        vendor=Vendor.objects.get(code="PACKMART"),
        actor=seeder,
    )


def add_terms(seeder: User) -> None:
    """Say in which units and at which prices vendors sell what the farm buys."""
    known = set(VendorItem.objects.values_list("product__sku", flat=True))
    for filament in FILAMENTS:
        if filament.sku in known:
            continue
        product = Product.objects.get(sku=filament.sku)
        inventory.set_product_units(
            product, [inventory.UnitSpec("spool", Decimal(1))], purchase_unit="spool", actor=seeder
        )
        prices = [
            inventory.PriceSpec(round_money(filament.price_per_kg * part), minimum) for minimum, part in SPOOL_BREAKS
        ]
        inventory.set_vendor_item(
            Vendor.objects.get(code=filament.vendor),
            product,
            unit="spool",
            vendor_sku=f"{filament.kind}-{filament.hex}",
            minimum_quantity=Decimal(2),
            is_preferred=True,
            prices=prices,
            actor=seeder,
        )
    for sku, _, _, unit, cost in COMPONENTS:
        if sku not in known:
            inventory.set_vendor_item(
                Vendor.objects.get(code="PACKMART"),
                Product.objects.get(sku=sku),
                unit=unit,
                minimum_quantity=Decimal(100),
                order_multiple=Decimal(50),
                is_preferred=True,
                prices=[inventory.PriceSpec(cost)],
                actor=seeder,
            )


def add_order(seeder: User) -> None:
    """Have some filament on order, as a buyer would have ordered it."""
    if PurchaseOrder.objects.exists():
        return
    products = {product.sku: product for product in Product.objects.filter(sku__in=[sku for sku, _ in ON_ORDER])}
    for order in inventory.buy([inventory.Want(products[sku], spools) for sku, spools in ON_ORDER], actor=seeder):
        inventory.order_purchase(order, actor=seeder)


def _printers(materials: dict[str, Product], ftps_port: int) -> None:
    center = WorkCenter.objects.get(code="PRINT")
    for number, row in enumerate(PRINTERS):
        printer, created = Printer.objects.get_or_create(
            serial=row.serial, defaults={"name": row.name, "model": row.model, "work_center": center}
        )
        if created:
            PrinterSlot.objects.bulk_create(
                PrinterSlot(
                    printer=printer,
                    tray=tray,
                    material=materials[sku],
                    material_type=materials[sku].material_type,
                    color_hex=materials[sku].color_hex,
                )
                for tray, sku in enumerate(row.loaded)
            )
        link, _ = PrinterConnection.objects.get_or_create(printer=printer, defaults={"host": "127.0.0.1"})
        link.host, link.ftps_port, link.use_tls = "127.0.0.1", ftps_port + number, False
        link.set_access_code(row.access_code)
        link.save()


def add_good(good: Good, seeder: User, *, models: Sequence[str]) -> None:
    """Add a catalogue product with bill of materials, plate and released print files for printer ``models``."""
    if Product.objects.filter(sku=good.sku).exists():
        return
    filament = Product.objects.get(sku=good.filament)
    with transaction.atomic():
        product = inventory.create_product(
            sku=good.sku,
            name=good.name,
            category=Product.Category.FINISHED_GOOD,
            replenishment=good.replenishment,
            list_price=good.price,
            is_serialized=good.is_serialized,
            actor=seeder,
        )
        inventory.set_bom(
            product,
            [
                inventory.BOMLineSpec(filament, good.grams, Unit.GRAM),
                *(
                    inventory.BOMLineSpec(Product.objects.get(sku=sku), quantity, Unit.EACH)
                    for sku, quantity in good.components
                ),
            ],
            actor=seeder,
        )
        inventory.set_plates(
            product,
            [
                inventory.PlateSpec(
                    parts_per_plate=good.per_plate,
                    minutes=good.minutes * good.per_plate,
                    filaments=[(filament, good.grams * good.per_plate)],
                )
            ],
            actor=seeder,
        )
        MarketplaceProductMapping.objects.create(
            marketplace=Marketplace.SQUARESPACE,
            marketplace_product_id=good.shop_id,
            marketplace_sku=good.sku,
            marketplace_name=good.name,
            erp_product=product,
        )
    for plate in ProductPlate.objects.filter(product=product):
        _print_files(plate, good, filament, seeder, models)


def _routing(good: Good, seeder: User) -> None:
    product = Product.objects.get(sku=good.sku)
    if not good.steps or Routing.objects.filter(product=product).exists():
        return
    steps = [
        production.StepSpec(name, WorkCenter.objects.get(code=center), minutes_per_unit=minutes)
        for name, center, minutes in good.steps
    ]
    production.set_routing(product, steps, actor=seeder)


def _print_files(plate: ProductPlate, good: Good, filament: Product, seeder: User, models: Sequence[str]) -> None:
    slicer: Slicer = import_string(settings.SLICER_BACKEND)()
    for model in models:
        result = slicer.slice(
            SliceRequest(
                source=b"",
                file_name=f"{good.sku}.3mf",
                printer_model=model,
                filaments=(SliceFilament(0, filament.material_type, filament.color_hex, good.grams * good.per_plate),),
                name=good.name,
                copies=good.per_plate,
                estimated_minutes=good.minutes * good.per_plate,
            )
        )
        print_file = inventory.attach_print_file(
            plate,
            printer_model=model,
            content=result.content,
            file_name=result.file_name,
            minutes=result.minutes,
            grams=result.grams,
            sliced_by=result.sliced_by,
            filaments=result.filaments,
            layers=result.layers,
            warnings=result.warnings,
            actor=seeder,
        )
        inventory.release_print_file(print_file, actor=seeder)
        if not default_storage.exists(str(print_file.file.name)):
            raise FileNotFoundError(print_file.file.name)


def _customer(seeder: User) -> None:
    row = USERS[-1]
    if User.objects.filter(email=row.email).exists():
        return
    person = sales.register_customer(
        email=row.email,
        password=row.password,
        first_name="Demo",
        last_name="Buyer",
        company_name="Customer Example LLC",
    )
    CustomerAddress.objects.create(
        customer=person.customer,
        address_type=CustomerAddress.Type.SHIPPING,
        is_default=True,
        name="Goods in",
        address_line1="123 Main St",
        city="Fort Wayne",
        state="IN",
        postal_code="46802",
    )
    clinic = Customer.objects.filter(email="parts@clinic.example").first()
    if clinic is None:
        sales.customer_for_buyer(
            email="parts@clinic.example", name="Clinic Example", company_name="Clinic Example", actor=seeder
        )
