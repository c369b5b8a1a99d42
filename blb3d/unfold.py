"""How the console looks and what it hangs on: unfold's settings, kept in one place."""

from __future__ import annotations

from typing import Any

from django.templatetags.static import static

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "BLB3D ERP",
    "SITE_HEADER": "BLB3D ERP",
    "SITE_URL": "/",
    "SITE_ICON": lambda request: static("blb3d/logo.svg"),
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("blb3d/logo.svg")}],
    "BORDER_RADIUS": "8px",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "STYLES": [lambda request: static("blb3d/admin.css")],
    "SCRIPTS": [lambda request: static("blb3d/admin.js")],
    "DASHBOARD_CALLBACK": "blb3d.console.home.home",
    "ENVIRONMENT": "blb3d.console.navigation.environment",
    "COMMAND": {"search_callback": "blb3d.console.navigation.search", "show_history": True},
    "SIDEBAR": {
        "show_search": True,
        "command_search": True,
        "show_all_applications": False,
        "navigation": "blb3d.console.navigation.navigation",
    },
}
