"""The web application for a ASGI server."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "blb3d.settings")

application = get_asgi_application()

from blb3d.core.checks import refuse_unsafe_start  # noqa: E402

refuse_unsafe_start()
