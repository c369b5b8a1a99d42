"""What stands around a page's form: number, status, facts, progress, related documents, timeline."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from django.contrib.admin.utils import display_for_field, display_for_value, label_for_field, lookup_field
from django.core.exceptions import ObjectDoesNotExist
from django.db import models
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin

from blb3d.core.admin.columns import status_chip
from blb3d.core.admin.keys import AutocompleteKeys
from blb3d.core.admin.timeline import timeline
from blb3d.core.documents import Document
from blb3d.core.templatetags.blb3d_ui import plain_number

RELATED_SHOWN = 5
MONEY_PLACES = 2


@dataclass(frozen=True)
class RelatedLink:
    """A document named on another one's page."""

    text: str
    url: str
    status: SafeString | str


@dataclass(frozen=True)
class RelatedGroup:
    """The documents of one relation; ``more_url`` leads to the list of all when not all are shown."""

    label: str
    links: list[RelatedLink]
    more_url: str


class PageAdmin(AutocompleteKeys, ModelAdmin):
    """An admin whose page has a header."""

    #: Fields, or methods of the admin, shown beside the number.
    header_fields: ClassVar[Sequence[str]] = ()
    #: Relations shown as links, upward (keys) and downward (reverse accessors), in this order.
    related_documents: ClassVar[Sequence[str]] = ()

    def document_page(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Return what stands around the form."""
        return {
            "title": self.heading(obj),
            "status": status_chip(obj) if hasattr(obj, "status") else "",
            "facts": [self._fact(obj, name) for name in self.header_fields],
            "progress": self.progress(obj),
            "links": self.page_links(obj),
            "related": list(self._related(request, obj)),
            "timeline": timeline(obj) if isinstance(obj, Document) else [],
            "version": getattr(obj, "version", ""),
        }

    def heading(self, obj: Any) -> str:
        """Return what the page is headed with, the number by which people know it."""
        return str(obj)

    def page_links(self, obj: Any) -> Sequence[tuple[str, str]]:
        """Return further pages about this row as (words, address), shown beside the acts."""
        return ()

    def progress(self, obj: Any) -> tuple[int, int, str] | None:
        """Return how far it is as (done, of, words), or None where that means nothing."""
        return None

    def _fact(self, obj: Any, name: str) -> tuple[str, Any]:
        field, _, value = lookup_field(name, obj, self)
        label = label_for_field(name, self.model, self)
        if value is True or value is False:
            return str(label), "Yes" if value else "No"
        if field is None:
            return str(label), value if isinstance(value, SafeString) else display_for_value(value, "–")
        if isinstance(field, models.DecimalField) and field.decimal_places > MONEY_PLACES:
            return str(label), plain_number(value)
        if field.remote_field is not None:
            return str(label), self._link(value) if value is not None else "–"
        shown = str(display_for_field(value, field, "–")) or "–"
        return str(label), shown[:1].upper() + shown[1:] if field.flatchoices else shown

    def _link(self, target: Any) -> Any:
        if type(target) not in self.admin_site._registry:
            return str(target)
        opts = target._meta
        url = reverse(f"{self.admin_site.name}:{opts.app_label}_{opts.model_name}_change", args=[target.pk])
        return format_html('<a href="{}">{}</a>', url, target)

    def _related(self, request: HttpRequest, obj: Any) -> Iterable[RelatedGroup]:
        for name in self.related_documents:
            field: Any = self.model._meta.get_field(name)
            target = self.admin_site._registry.get(field.related_model)
            if target is None or not target.has_view_permission(request):
                continue
            opts = field.related_model._meta
            prefix = f"{self.admin_site.name}:{opts.app_label}_{opts.model_name}"
            rows, more_url = [], ""
            if field.one_to_many or field.many_to_many:
                rows = list(getattr(obj, name).all()[: RELATED_SHOWN + 1])
                if len(rows) > RELATED_SHOWN:
                    rows = rows[:RELATED_SHOWN]
                    more_url = f"{reverse(f'{prefix}_changelist')}?{field.remote_field.name}__id__exact={obj.pk}"
            else:
                try:
                    one = getattr(obj, name)
                except ObjectDoesNotExist:
                    one = None
                rows = [one] if one is not None else []
            if rows:
                links = [
                    RelatedLink(
                        str(row),
                        reverse(f"{prefix}_change", args=[row.pk]),
                        status_chip(row) if hasattr(row, "status") else "",
                    )
                    for row in rows
                ]
                label = opts.verbose_name_plural if field.one_to_many or field.many_to_many else opts.verbose_name
                yield RelatedGroup(str(label), links, more_url)
