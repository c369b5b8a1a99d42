"""The web application for a WSGI server: `waitress-serve blb3d.wsgi:application`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "blb3d.settings")

application = get_wsgi_application()

from blb3d.core.checks import refuse_unsafe_start  # noqa: E402

refuse_unsafe_start()
