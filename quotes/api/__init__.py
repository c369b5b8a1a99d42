"""The HTTP interface of quoting."""

from __future__ import annotations

from django.urls import URLPattern

from blb3d.core.api.routers import BothSlashRouter, both_slashes
from quotes.api.convert import ConvertView
from quotes.api.files import FileView, PartsView
from quotes.api.papers import CompareView, PdfView
from quotes.api.quotes import QuoteViewSet
from quotes.api.sharing import SharesView, ShareView

_router = BothSlashRouter()
_router.register("quotes", QuoteViewSet, basename="quote")

urlpatterns: list[URLPattern] = [
    both_slashes(r"sales-orders/convert/(?P<quote_id>[^/.]+)", ConvertView.as_view(), "sales-order-convert"),
    both_slashes(r"quotes/(?P<quote_id>[^/.]+)/compare", CompareView.as_view(), "quote-compare"),
    both_slashes(r"quotes/(?P<quote_id>[^/.]+)/pdf", PdfView.as_view(), "quote-pdf"),
    both_slashes(r"quotes/(?P<quote_id>[^/.]+)/parts", PartsView.as_view(), "quote-parts"),
    both_slashes(r"quotes/(?P<quote_id>[^/.]+)/files/(?P<file_id>[0-9]{1,18})", FileView.as_view(), "quote-file"),
    both_slashes(r"quotes/(?P<quote_id>[^/.]+)/shares", SharesView.as_view(), "quote-shares"),
    both_slashes(r"quotes/(?P<quote_id>[^/.]+)/shares/(?P<share_id>[0-9]{1,18})", ShareView.as_view(), "quote-share"),
    *_router.urls,
]
