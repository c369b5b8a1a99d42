"""The board: every printer at a glance, what needs hands first; on a phone, at a desk, on the wall."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from blb3d.accounts.actor import actor_of
from blb3d.core.errors import BLB3DError, NotAllowed, NotFound
from blb3d.core.letters import address_of
from production import services as production
from production.floor.base import UNPROCESSABLE, floor_page, refusal, show
from production.models import WallScreen
from production.selectors.board import farm_board
from production.services.screens import screen_of

#: So often a board asks for what is new.
SECONDS = 5


@require_GET
@floor_page("production.view_printer", "production.view_printjob")
def board(request: HttpRequest) -> HttpResponse:
    """Every printer of the farm; ``?wall=1`` in big type without a frame."""
    is_wall = request.GET.get("wall") == "1"
    again = f"{reverse('floor:board')}?wall=1" if is_wall else reverse("floor:board")
    return _board(request, again=again, is_wall=is_wall, is_open=False)


@require_GET
def wall(request: HttpRequest, token: str) -> HttpResponseBase:
    """The board for a screen on the wall that nobody logged in at: it only reads and names no customer."""
    try:
        screen = screen_of(token)
    except BLB3DError as error:
        return _private(refusal(request, error))
    return _private(_board(request, again=request.path, is_wall=True, is_open=True, title=screen.name))


def _board(request: HttpRequest, *, again: str, is_wall: bool, is_open: bool, title: str = "") -> HttpResponse:
    context: dict[str, Any] = {
        "board": farm_board(),
        "again": again,
        "seconds": SECONDS,
        "is_wall": is_wall,
        "is_open": is_open,
        "title": title,
        "nav": "board",
    }
    # htmx asks for what changes; a browser that goes back asks for the whole page.
    part = request.headers.get("HX-Request") == "true" and not request.headers.get("HX-Boosted")
    response = show(request, "floor/parts/tiles.html" if part else "floor/board.html", context)
    response["Cache-Control"] = "private, no-store"
    return response


def _private(response: HttpResponse) -> HttpResponse:
    response["Referrer-Policy"] = "no-referrer"
    response["Cache-Control"] = "private, no-store"
    return response


@require_http_methods(["GET", "POST"])
@floor_page("production.view_wallscreen")
def screens(request: HttpRequest) -> HttpResponse:
    """The links for wall screens; posted to, it makes one and shows it this once."""
    made, error, name = "", "", request.POST.get("name", "")
    if request.method == "POST":
        _require(request, "production.add_wallscreen")
        try:
            _, token = production.add_screen(name, actor=actor_of(request))
            made, name = address_of(reverse("floor:wall", args=[token])), ""
        except BLB3DError as refused:
            error = refused.message
    rows = WallScreen.objects.filter(revoked_at__isnull=True).select_related("created_by")
    context = {"screens": rows, "made": made, "error": error, "name": name, "nav": "screens"}
    return _private(show(request, "floor/screens.html", context, status=UNPROCESSABLE if error else 200))


@require_POST
@floor_page("production.change_wallscreen")
def revoke(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Take a screen's link back."""
    screen = WallScreen.objects.filter(pk=pk).first()
    if screen is None:
        raise NotFound
    production.revoke_screen(screen, actor=actor_of(request))
    messages.success(request, f"The link of {screen.name} is not good any more.")
    return redirect("floor:screens")


def _require(request: HttpRequest, permission: str) -> None:
    if not actor_of(request).has_perm(permission):
        raise NotAllowed
