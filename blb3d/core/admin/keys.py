"""Foreign keys in the console: searched by typing, never a select of ten thousand rows."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect
from django.db import models
from django.db.models.fields.related import ForeignKey
from django.http import HttpRequest
from unfold.widgets import AutocompleteWidgetMixin

from blb3d.core.admin.reading import labelled


class AutocompleteKeys:
    """Mixin of an admin or inline: keys are autocompletes where their target can be searched, else raw ids."""

    model: type[models.Model]
    admin_site: admin.AdminSite

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Return the form field, labelled as its name is written."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)  # type: ignore[misc]
        if field is not None and field.label:
            field.label = labelled(field.label)
        return field

    def _keys(self, *, searchable: bool) -> tuple[str, ...]:
        names = []
        for field in (*self.model._meta.fields, *self.model._meta.many_to_many):
            if field.remote_field is None or not field.editable:
                continue
            target = self.admin_site._registry.get(field.related_model)  # type: ignore[arg-type]
            if bool(target is not None and target.search_fields) is searchable:
                names.append(field.name)
        return tuple(names)

    def get_autocomplete_fields(self, request: HttpRequest) -> tuple[str, ...]:
        """Return the keys whose target's admin can be searched."""
        return self._keys(searchable=True)

    @property
    def raw_id_fields(self) -> tuple[str, ...]:
        """Return the keys whose target cannot be searched."""
        return self._keys(searchable=False)


class KeySelect(AutocompleteWidgetMixin, AutocompleteSelect):
    """Django's autocomplete in the console's clothes."""

    def __init__(self, field: Any, admin_site: admin.AdminSite) -> None:
        AutocompleteSelect.__init__(self, field, admin_site)


def key_choice(model: type[models.Model], field_name: str, **kwargs: Any) -> forms.ModelChoiceField:
    """Return a form field to search for the target of ``model.field_name``, for use in a :class:`VerbForm`.

    ``queryset=`` narrows what is accepted; the list that is searched is the target admin's own.
    """
    field = model._meta.get_field(field_name)
    if not isinstance(field, ForeignKey):
        raise TypeError(f"{model._meta.label}.{field_name} is not a foreign key")
    kwargs.setdefault("queryset", field.remote_field.model._default_manager.all())
    kwargs.setdefault("label", field.verbose_name.capitalize())
    return forms.ModelChoiceField(widget=KeySelect(field, admin.site), **kwargs)
