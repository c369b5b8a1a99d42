"""Every address of the system."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, re_path

from blb3d import api
from blb3d.console import dispatch as console_dispatch
from blb3d.console import imports as console_imports
from blb3d.console import mrp as console_mrp
from blb3d.console import pages as console
from blb3d.console import schedule as console_schedule
from blb3d.console import stock as console_stock
from blb3d.console import stock_value as console_stock_value
from blb3d.console import variance as console_variance
from blb3d.console import vendors as console_vendors
from blb3d.console import yields as console_yields
from blb3d.core import health
from production.floor import urlpatterns as floor_pages
from quotes.portal import urlpatterns as quote_pages
from sales.portal import urlpatterns as order_pages

urlpatterns: list[URLPattern | URLResolver] = [
    *console.urlpatterns,
    *console_dispatch.urlpatterns,
    *console_imports.urlpatterns,
    *console_mrp.urlpatterns,
    *console_schedule.urlpatterns,
    *console_stock_value.urlpatterns,
    *console_stock.urlpatterns,
    *console_variance.urlpatterns,
    *console_vendors.urlpatterns,
    *console_yields.urlpatterns,
    path("admin/", admin.site.urls),
    path("api/v1/", include((api.v1, "api-v1"), namespace="v1")),
    re_path(r"^health/live/?$", health.live, name="health-live"),
    re_path(r"^health/ready/?$", health.ready, name="health-ready"),
    path("floor/", include((floor_pages, "floor"))),
    path("", include(([*order_pages, *quote_pages], "portal"))),
]

handler400 = "blb3d.core.api.errors.bad_request"
handler403 = "blb3d.core.api.errors.permission_denied"
handler404 = "blb3d.core.api.errors.page_not_found"
handler500 = "blb3d.core.api.errors.server_error"
