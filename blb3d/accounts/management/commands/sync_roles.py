"""Write the roles to the database."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from blb3d.accounts.roles import sync_roles
from blb3d.core.errors import BLB3DError


class Command(BaseCommand):
    help = "Make the groups operator, sales, purchasing, quality, manager and owner what blb3d.accounts.roles says."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            counts = sync_roles()
        except BLB3DError as error:
            raise CommandError(error.message) from error
        for name, count in counts.items() if options["verbosity"] else ():
            self.stdout.write(f"{name}: {count} permissions")
