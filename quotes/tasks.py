"""Periodic tasks of quoting."""

from __future__ import annotations

from celery import shared_task

from blb3d.accounts.models import User
from quotes import services as quotes
from quotes.services import promise


@shared_task
def expire_quotes() -> int:
    """Close quotes whose price no longer holds."""
    return len(quotes.expire_quotes(actor=User.objects.system("quotes")))


@shared_task
def renew_promises() -> int:
    """Bring the days up to date by which open quotes are shipped; how many changed."""
    return promise.renew_promises(actor=User.objects.system("quotes"))


@shared_task
def remind_quotes() -> int:
    """Remind customers of prices that end soon."""
    return len(quotes.remind_quotes(actor=User.objects.system("quotes")))


@shared_task
def learn_from_prints() -> int:
    """Bring the corrections of estimates up to date; how many changed."""
    return len(quotes.recompute_corrections(actor=User.objects.system("quotes")))


@shared_task
def rescan_held_files() -> int:
    """Ask the virus scanner for the files that wait for it."""
    return quotes.rescan_held_files(actor=User.objects.system("quotes"))
