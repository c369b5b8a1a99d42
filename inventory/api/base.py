"""What the views of stock share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Model
from rest_framework.permissions import BasePermission

from blb3d.core.api.lists import PlainListMixin
from blb3d.core.api.permissions import requires

QUANTITY: dict[str, Any] = {"max_digits": 14, "decimal_places": 4}


class PermittedMixin(PlainListMixin):
    """Takes the permission to view the view's model."""

    model: type[Model]

    def get_permissions(self) -> Sequence[BasePermission]:
        return [requires(f"inventory.view_{self.model._meta.model_name}")()]
