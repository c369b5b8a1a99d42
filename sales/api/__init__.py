"""The HTTP interface of sales."""

from __future__ import annotations

from django.urls import URLPattern

from blb3d.core.api.routers import BothSlashRouter, both_slashes
from sales.api.customers import AddressViewSet, CustomerViewSet, MemberViewSet, MyCustomerView, RegisterView
from sales.api.money import InvoiceViewSet, PaymentViewSet
from sales.api.orders import SalesOrderViewSet
from sales.api.shipments import ShipmentViewSet

_router = BothSlashRouter()
_router.register("sales-orders", SalesOrderViewSet, basename="sales-order")
_router.register("shipments", ShipmentViewSet, basename="shipment")
_router.register("invoices", InvoiceViewSet, basename="invoice")
_router.register("payments", PaymentViewSet, basename="payment")
_router.register("customers/users", MemberViewSet, basename="customer-user")
_router.register("customers/addresses", AddressViewSet, basename="customer-address")
_router.register("customers", CustomerViewSet, basename="customer")

urlpatterns: list[URLPattern] = [
    both_slashes("auth/register", RegisterView.as_view(), "auth-register"),
    both_slashes("customers/me", MyCustomerView.as_view(), "customer-me"),
    *_router.urls,
]
