"""Rows of sales for tests, and short ways through production that use the real verbs."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import factory
from django.contrib.auth.models import Permission
from factory.django import DjangoModelFactory

from blb3d.accounts.models import User
from inventory.models import Product
from inventory.tests.factories import LocationFactory, MaterialFactory, ProductFactory, make_bom, make_plate, receive
from inventory.tests.factories import release_file as release_print_file
from production import services as production
from production.models import PrintJob, ProductionOrder
from sales import services as sales
from sales.models import Address, Customer, CustomerAddress, CustomerUser, SalesOrder

ADDRESS = Address(line1="1 Harbour Street", city="Portland", state="OR", zip="97201", name="Buyer Example")


def system_actor() -> User:
    """Return the actor of test set-up."""
    return User.objects.system("tests")


class UserFactory(DjangoModelFactory):
    class Meta:
        model = User

    email = factory.Sequence(lambda n: f"login{n}@example.com")


def staff(*permissions: str) -> User:
    """Return a member of staff with these permissions (``sales.confirm_salesorder``)."""
    user = UserFactory(is_staff=True)
    for name in permissions:
        app, codename = name.split(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    return user


def manager() -> User:
    """Return a member of staff who may do everything in sales."""
    user = UserFactory(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="sales"))
    return user


class CustomerFactory(DjangoModelFactory):
    class Meta:
        model = Customer

    customer_number = factory.Sequence(lambda n: f"C-T-{n:04d}")
    name = factory.Sequence(lambda n: f"Customer {n}")
    email = factory.Sequence(lambda n: f"customer{n}@example.com")


class CustomerAddressFactory(DjangoModelFactory):
    class Meta:
        model = CustomerAddress

    customer = factory.SubFactory(CustomerFactory)
    address_line1 = "5 Depot Road"
    city = "Salem"
    postal_code = "97301"


class CustomerUserFactory(DjangoModelFactory):
    class Meta:
        model = CustomerUser

    customer = factory.SubFactory(CustomerFactory)
    user = factory.SubFactory(UserFactory)
    role = CustomerUser.Role.ADMIN


def made_product(**fields: Any) -> Product:
    """Return a product with a bill of materials, one plate of four parts, a print file, and filament in stock."""
    LocationFactory()
    material = MaterialFactory()
    receive(material, 10)
    product: Product = ProductFactory(list_price=Decimal("12.50"), **fields)
    make_bom(product, (material, "0.0250"))
    release_print_file(make_plate(product, parts=4, grams={material: "100"}))
    return product


def bought_product(**fields: Any) -> Product:
    """Return a product that is bought and kept on the shelf."""
    LocationFactory()
    return ProductFactory(
        **{"replenishment": Product.Replenishment.BUY, "list_price": Decimal("3.00"), "unit_cost": Decimal(1), **fields}
    )


def draft(*lines: tuple[Product | None, int], **fields: Any) -> sales.OrderDraft:
    """Return a draft by hand with these products and quantities, at list price."""
    rows = [
        sales.LineDraft(product, quantity, product.list_price or Decimal(1))
        if product is not None
        else sales.LineDraft(None, quantity, Decimal(20), name="Desk set", external_sku="DESK-1")
        for product, quantity in lines
    ]
    fields = {"source": SalesOrder.Source.MANUAL, "shipping": ADDRESS, **fields}
    fields.setdefault("customer", None)
    fields["customer"] = fields["customer"] or CustomerFactory()
    return sales.OrderDraft(lines=rows, **fields)


def placed(*lines: tuple[Product | None, int], **fields: Any) -> SalesOrder:
    """Return a placed order."""
    return sales.place_order(draft(*lines, **fields), actor=system_actor())


def confirmed(*lines: tuple[Product | None, int], **fields: Any) -> SalesOrder:
    """Return a confirmed order."""
    return sales.confirm_order(placed(*lines, **fields), actor=system_actor())


def print_parts(order: SalesOrder, *, inspect: bool = True) -> None:
    """Print, clear and inspect everything that an order has in production; its facts are not delivered."""
    for made in order.production_orders.filter(status=ProductionOrder.Status.CONFIRMED):
        production.queue_production_order(made, actor=system_actor())
    jobs = PrintJob.objects.filter(production_order__sales_order=order, status=PrintJob.Status.QUEUED)
    for job in jobs.order_by("pk"):
        production.begin_job(job, actor=system_actor())
        production.record_finished(job, actor=system_actor())
        counts = [production.PlateCount(part.production_order_id, good=part.planned) for part in job.parts.all()]
        production.clear_plate(job, counts, actor=system_actor())
    if inspect:
        for made in order.production_orders.filter(status=ProductionOrder.Status.COMPLETED):
            production.pass_inspection(made, actor=system_actor())
    order.refresh_from_db()


def ready_to_ship(*lines: tuple[Product | None, int], **fields: Any) -> SalesOrder:
    """Return an order in quality check whose parts are made and inspected."""
    order = confirmed(*lines, **fields)
    print_parts(order)
    return sales.finish_production(order, actor=system_actor())
