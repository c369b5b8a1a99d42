"""The HTTP interface put together. An app offers `urlpatterns` in its `api`; a line here makes them public."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from blb3d.accounts.api import urlpatterns as accounts
from blb3d.core.api.routers import both_slashes
from integrations.api import urlpatterns as integrations
from integrations.webhooks import urlpatterns as webhooks
from inventory.api import urlpatterns as inventory
from production.api import urlpatterns as production
from quotes.api import urlpatterns as quotes
from sales.api import urlpatterns as sales

v1: list[URLPattern | URLResolver] = [
    # First, because addresses are tried in turn and shops knock most often.
    *webhooks,
    *accounts,
    *integrations,
    *inventory,
    *production,
    *quotes,
    *sales,
    both_slashes("schema", SpectacularAPIView.as_view(api_version="v1"), "schema"),
    both_slashes("docs", SpectacularSwaggerSplitView.as_view(url_name="v1:schema"), "docs"),
]
