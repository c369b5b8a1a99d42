"""``manage.py serve``: the web server, the same on Linux and Windows."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

import waitress
from django.core.management.base import BaseCommand

from blb3d.core.checks import refuse_unsafe_start


class Command(BaseCommand):
    """Serve the site with waitress."""

    help = "Serve the site over HTTP; put a TLS proxy in front of it in production."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take address and size."""
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--threads", type=int, default=8)

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until stopped."""
        refuse_unsafe_start()
        from blb3d.wsgi import application

        waitress.serve(
            application,
            host=options["host"],
            port=options["port"],
            threads=options["threads"],
            ident="",
            max_request_body_size=1024**3,  # the real limit is MAX_UPLOAD_SIZE_MB, told kindly by the views
        )
