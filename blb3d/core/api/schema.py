"""What the OpenAPI generator reads off the views of this project."""

from __future__ import annotations

from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter

from blb3d.core.api.idempotency import HEADER, MAX_KEY_LENGTH

IDEMPOTENCY_KEY = OpenApiParameter(
    HEADER,
    {"type": "string", "maxLength": MAX_KEY_LENGTH},
    OpenApiParameter.HEADER,
    description="Chosen by the caller: the same call with the same key is done once and answered twice.",
)


class Schema(AutoSchema):
    """Knows which methods take an `Idempotency-Key`."""

    def get_override_parameters(self) -> list[Any]:
        method = getattr(self.view, getattr(self.view, "action", "") or self.method.lower(), None)
        return [IDEMPOTENCY_KEY] if getattr(method, "is_idempotent", False) else []
