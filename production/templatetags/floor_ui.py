"""What floor pages draw besides the common language: the progress ring, what a state means."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from blb3d.core.templatetags.blb3d_ui import meaning_of
from production.models import PrintJob
from production.selectors.board import Tile, tray_name
from production.selectors.fleet import job_file_name
from production.selectors.spools import SpoolWarning

register = template.Library()


@register.simple_tag
def meaning(state: object) -> str:
    """Return what a state means: ``good``, ``waiting``, ``attention`` or ``stopped``."""
    return meaning_of(state)


@register.simple_tag
def ring(percent: int) -> SafeString:
    """Return a ring that is filled by so many percent, with the number in it."""
    filled = min(max(int(percent), 0), 100)
    # A dash as long as the ring would leave a seam.
    dash = "none" if filled == 100 else f"{filled} 100"
    return format_html(
        '<svg class="ring" viewBox="0 0 44 44" role="img" aria-label="{} % printed">'
        '<circle class="ring__track" cx="22" cy="22" r="19" pathLength="100"/>'
        '<circle class="ring__done" cx="22" cy="22" r="19" pathLength="100" stroke-dasharray="{}" '
        'transform="rotate(-90 22 22)"/>'
        '<text x="22" y="22" text-anchor="middle" dominant-baseline="central">{}%</text></svg>',
        filled, dash, filled,
    )  # fmt: skip


@register.simple_tag
def new_key() -> str:
    """Return a one-time key for a form."""
    return secrets.token_urlsafe(12)


@register.simple_tag
def typed_or(typed: Mapping[str, str], prefix: str, pk: int, otherwise: object) -> object:
    """Return what was typed into ``<prefix><pk>`` when the form was sent, else ``otherwise``."""
    return typed.get(f"{prefix}{pk}", otherwise) if typed else otherwise


@register.simple_tag
def if_typed(typed: Mapping[str, str], prefix: str, pk: int, value: str) -> str:
    """Return `` checked`` for the choice that was made when the form was sent."""
    return " checked" if typed and typed.get(f"{prefix}{pk}") == value else ""


@register.filter
def times(is_wanted: str, number: int) -> int:
    """Return the number where it is wanted, else 0."""
    return number if is_wanted else 0


@register.filter
def act_name(pk: int, prefix: str) -> str:
    """Return the name of an act on one row: ``resolve-7``."""
    return f"{prefix}{pk}"


@register.filter
def stamp(tile: Tile) -> str:
    """Return what a printer's page was made for: another stamp means that other things are possible now."""
    job = tile.job
    figures = (job.pk, job.status, bool(job.cancel_requested_at)) if job else ()
    printer = tile.printer
    said = (*figures, printer.is_active, printer.foreign_job, *(row.pk for row in tile.problems), len(tile.to_count))
    return "-".join(str(part) for part in (*said, tile.state if job is None else ""))


@register.filter
def file_name_of(job: PrintJob) -> str:
    """Return the name of the file that a person starts at a machine; by that name the print is recognised."""
    return f"{job_file_name(job)}.gcode.3mf"


@register.filter
def in_words(warning: SpoolWarning) -> str:
    """Return what may run out, with the slot as it is written at the machine."""
    then = "it will run out" if warning.is_short else "the printer goes on from another slot"
    return (
        f"{warning.spool} in {tray_name(warning.tray)} has {warning.left_grams:.0f} g left, "
        f"this takes {warning.needed_grams:.0f} g: {then}"
    )
