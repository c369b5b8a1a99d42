"""The tables of selling: customers, price rules, orders, money, shipments, changes and returns."""

from sales.models.changes import RMA, ChangeOrder, ChangeOrderLine, RMAItem
from sales.models.customers import Customer, CustomerAddress, CustomerUser
from sales.models.money import Invoice, InvoiceLine, Payment, Refund
from sales.models.orders import ADDRESS_COLUMNS, Address, SalesOrder, SalesOrderLine
from sales.models.pricing import MachineRate, PriceLevel, PriceRules, QuantityBreak
from sales.models.shipments import Shipment, ShipmentLine

__all__ = [
    "ADDRESS_COLUMNS",
    "RMA",
    "Address",
    "ChangeOrder",
    "ChangeOrderLine",
    "Customer",
    "CustomerAddress",
    "CustomerUser",
    "Invoice",
    "InvoiceLine",
    "MachineRate",
    "Payment",
    "PriceLevel",
    "PriceRules",
    "QuantityBreak",
    "RMAItem",
    "Refund",
    "SalesOrder",
    "SalesOrderLine",
    "Shipment",
    "ShipmentLine",
]
