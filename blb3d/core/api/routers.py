"""Routes that answer with and without the trailing slash, for every method, with no redirect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpResponseBase
from django.urls import URLPattern, re_path
from rest_framework.routers import SimpleRouter


class BothSlashRouter(SimpleRouter):
    """A router for ViewSets; addresses are made without the slash."""

    def __init__(self) -> None:
        super().__init__()
        self.trailing_slash = "/?"


def both_slashes(route: str, view: Callable[..., HttpResponseBase], name: str) -> URLPattern:
    """Return the pattern of a single view. `route` may hold named groups: `quotes/(?P<pk>[^/]+)/pdf`."""
    return re_path(rf"^{route}/?$", view, name=name)


def without_trailing_slash(endpoints: list[tuple[Any, ...]], **_: Any) -> list[tuple[Any, ...]]:
    """Preprocess the schema's endpoints: the documented form of an address has no slash at its end."""
    return [(path.rstrip("/") or "/", *rest) for path, *rest in endpoints]
