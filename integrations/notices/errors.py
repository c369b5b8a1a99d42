"""What a notice can fail at."""

from __future__ import annotations

from blb3d.core.errors import PartnerRefused


class ForbiddenAddress(PartnerRefused):
    """A webhook's address leads into a private network, where nobody may send us."""

    code = "INTEG_005"
    message = "Webhooks are not sent to private addresses; NOTICE_PRIVATE_URLS allows it."
