"""Serializers that refuse what they do not know, instead of dropping it without a word."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from blb3d.core.errors import UnknownFields

# What the page of the browsable API adds to its form.
_OF_THE_PAGE = frozenset({"csrfmiddlewaretoken"})


class StrictFieldsMixin:
    """Raises UnknownFields with the list of known ones when a body holds a field that cannot be written.

    `extra_fields` names keys that are read elsewhere, such as `version`.
    """

    extra_fields: tuple[str, ...] = ("version",)

    def to_internal_value(self, data: Any) -> Any:
        if hasattr(data, "keys"):
            known = [name for name, field in self.fields.items() if not field.read_only]  # type: ignore[attr-defined]
            unknown = sorted(set(data.keys()) - set(known) - set(self.extra_fields) - _OF_THE_PAGE)
            if unknown:
                raise UnknownFields(
                    f"Unknown fields: {', '.join(unknown)}.", details={"unknown": unknown, "known": sorted(known)}
                )
        return super().to_internal_value(data)  # type: ignore[misc]


class StrictSerializer(StrictFieldsMixin, serializers.Serializer[Any]):
    """A plain serializer for the body of a verb."""


class ErrorSerializer(serializers.Serializer[Any]):
    """The envelope of every failed call, for the schema."""

    error_code = serializers.CharField()
    message = serializers.CharField()
    details = serializers.DictField()
