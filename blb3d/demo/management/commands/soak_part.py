"""``manage.py soak_part``: what of a soak runs against its database, called by ``soak`` only."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    """Prepare the farm, play its people, or judge the end."""

    help = "A part of a soak; call soak."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take which part, and the plan."""
        parser.add_argument("part", choices=("prepare", "robot", "judge"))
        parser.add_argument("--folder", type=Path, required=True)
        parser.add_argument("--printers", type=int, required=True)
        parser.add_argument("--jobs", type=int, required=True)
        parser.add_argument("--seed", required=True)
        parser.add_argument("--until", type=float, default=float("inf"))
        parser.add_argument("--ftps-port", type=int, default=0)
        parser.add_argument("--kills", default="[]")
        parser.add_argument("--share-asked", type=float, default=0.01)

    def handle(self, *args: Any, **options: Any) -> None:
        """Do the part."""
        if not settings.DEMO:
            raise CommandError("A soak fills a database of its own; call soak.")
        from blb3d.demo.soak import verdict, world
        from blb3d.demo.soak.robot import Plan, Robot

        plan = Plan(options["folder"], options["printers"], options["jobs"], options["seed"], options["until"])
        match options["part"]:
            case "prepare":
                for command in ("migrate", "createcachetable", "sync_roles"):
                    call_command(command, verbosity=0)
                world.load(printers=plan.printers, ftps_port=options["ftps_port"])
            case "robot":
                Robot(plan).run()
            case "judge":
                found = verdict.judge(plan, kills=json.loads(options["kills"]), share_asked=options["share_asked"])
                self.stdout.write(json.dumps(found.as_dict()))
