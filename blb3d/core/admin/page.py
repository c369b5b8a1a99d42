"""What stands around a page's form: number, status, facts, progress, related documents, timeline."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from django.contrib.admin.utils import display_for_field, display_for_value, label_for_field, lookup_field
from django.core.exceptions import ObjectDoesNotExist
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin

from blb3d.core.admin.columns import status_chip
from blb3d.core.admin.keys import AutocompleteKeys
from blb3d.core.admin.reading import NOTHING, is_read, labelled, read, reading
from blb3d.core.admin.timeline import Entry, timeline
from blb3d.core.documents import Document

RELATED_SHOWN = 5


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
            "facts": self.facts(request, obj),
            "progress": self.progress(obj),
            "totals": self.totals(obj),
            "links": self.page_links(obj),
            "related": list(self._related(request, obj)),
            "timeline": timeline(obj, self.events(obj)) if isinstance(obj, Document) else [],
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

    def totals(self, obj: Any) -> Sequence[tuple[str, str]]:
        """Return the sums below the lines as (words, amount), the last one the greatest."""
        return ()

    def events(self, obj: Any) -> Iterable[Entry]:
        """Return what else happened around the document, for its timeline; see :class:`Entry`."""
        return ()

    def facts(self, request: HttpRequest, obj: Any) -> list[tuple[str, Any]]:
        """Return what is known of ``header_fields``; what is empty is left out."""
        found = (self._fact(request, obj, name) for name in self.header_fields)
        return [(label, value) for label, value in found if value not in ("", NOTHING)]

    def _fact(self, request: HttpRequest, obj: Any, name: str) -> tuple[str, Any]:
        field, _, value = lookup_field(name, obj, self)
        label = labelled(label_for_field(name, self.model, self))
        if value is True or value is False:
            return label, "Yes" if value else "No"
        if field is None:
            return label, value if isinstance(value, SafeString) else display_for_value(value, NOTHING)
        if field.remote_field is not None:
            return label, self._link(request, value) if value is not None else NOTHING
        if is_read(field):
            return reading(field).short_description, read(field, obj)  # type: ignore[attr-defined]
        return label, str(display_for_field(value, field, NOTHING))

    def _link(self, request: HttpRequest, target: Any) -> Any:
        page = self.admin_site._registry.get(type(target))
        if page is None or not page.has_view_permission(request):
            return str(target)
        opts = target._meta
        url = reverse(f"{self.admin_site.name}:{opts.app_label}_{opts.model_name}_change", args=[target.pk])
        status = status_chip(target) if hasattr(target, "status") else ""
        return format_html('<a href="{}">{}</a> {}', url, target, status)

    def _related(self, request: HttpRequest, obj: Any) -> Iterable[RelatedGroup]:
        for name in self.related_documents:
            if name in self.header_fields:
                continue
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
                yield RelatedGroup(labelled(label), links, more_url)
