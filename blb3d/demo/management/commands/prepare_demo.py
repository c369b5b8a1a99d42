"""``manage.py prepare_demo``: the database and its demo data."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand

from blb3d.demo import backlog, past
from blb3d.demo.seed import load


class Command(BaseCommand):
    """Migrate, make roles and load the demo farm."""

    help = "Migrate the database, make its roles and load the demo farm; harmless when done already."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take where the simulated printers take files."""
        parser.add_argument("--ftps-port", type=int, default=19901)
        parser.add_argument("--backlog", action="store_true", help="also a past, and work in every queue, once")

    def handle(self, *args: Any, **options: Any) -> None:
        """Prepare everything that the farm needs before it starts."""
        call_command("migrate", verbosity=0)
        call_command("createcachetable", verbosity=0)
        call_command("sync_roles", verbosity=0)
        load(ftps_port=options["ftps_port"])
        if options["backlog"]:
            past.load()
            backlog.load()
