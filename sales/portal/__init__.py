"""The customers' pages of sales: orders, paying, the company."""

from __future__ import annotations

from django.urls import URLPattern, path

from sales.portal import company, orders

urlpatterns: list[URLPattern] = [
    path("orders/", orders.order_list, name="order-list"),
    path("orders/<int:pk>/", orders.order_detail, name="order-detail"),
    path("orders/<int:pk>/progress/", orders.order_progress, name="order-progress"),
    path("orders/<int:pk>/pay/", orders.order_pay, name="order-pay"),
    path("orders/<int:pk>/reorder/", orders.order_reorder, name="order-reorder"),
    path("invoices/<int:pk>/", orders.invoice, name="invoice"),
    path("company/", company.company, name="company"),
    path("company/users/<int:pk>/remove/", company.remove_user, name="company-user-remove"),
    path("company/addresses/<int:pk>/remove/", company.remove_address, name="company-address-remove"),
]
