"""The pages of documents: what all of them share, so that an app's admin says only what is its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from django.contrib.admin.utils import flatten_fieldsets
from django.core.exceptions import FieldDoesNotExist
from django.db.models import FileField
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.views import ChangeList

from blb3d.core.actors import acting
from blb3d.core.admin.acts import ActsAdmin
from blb3d.core.admin.columns import status_chip
from blb3d.core.admin.exports import ExportAdmin
from blb3d.core.admin.forms import GuardedForm
from blb3d.core.admin.history import HistoryAdmin
from blb3d.core.admin.reading import readings
from blb3d.core.admin.verbs import AdminVerb
from blb3d.core.errors import BLB3DError
from blb3d.core.lifecycle import Lifecycle

AUDIT_FIELDS = ("created_at", "created_by", "updated_at", "updated_by", "version")


class _ChangeList(ChangeList):
    """A list that offers "show all" only when something narrows it."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if not self.query and not self.has_active_filters and not self.get_filters_params():
            self.full_result_count = self.result_count


class ConsoleAdmin(ExportAdmin, ActsAdmin):
    """The base of every admin: lists, also as files, a header, acts by POST. Documents use :class:`DocumentAdmin`."""

    change_form_template = "admin/document/change_form.html"

    #: Relations that methods in ``list_display`` read.
    list_related: ClassVar[Sequence[str]] = ()

    list_per_page = 50
    show_full_result_count = False
    list_filter_submit = True
    list_filter_sheet = False
    warn_unsaved_form = True
    compressed_fields = True

    @display(description="status", ordering="status")
    def status_chip(self, obj: Any) -> SafeString:
        """Show the status as a chip; stands in for ``"status"`` in ``list_display``."""
        return status_chip(obj)

    def get_list_display(self, request: HttpRequest) -> tuple[Any, ...]:
        """Return the columns as people read them, the status as a chip."""
        columns: dict[Any, Any] = {**readings(self.model), "status": "status_chip"}
        return tuple(columns.get(name, name) for name in super().get_list_display(request))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the kind of list."""
        return _ChangeList

    def get_list_select_related(self, request: HttpRequest) -> tuple[str, ...]:
        """Return the keys that the columns show, so that a list costs the same however long it is."""
        names = list(self.list_related)
        for column in self.get_list_display(request):
            if not isinstance(column, str):
                continue
            relation, _, _ = column.rpartition("__")
            try:
                field = self.model._meta.get_field(column.partition("__")[0])
            except FieldDoesNotExist:
                continue
            if field.is_relation and (field.many_to_one or field.one_to_one):
                names.append(relation or column)
        return tuple(dict.fromkeys(names))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: nothing that was once written is deleted by hand."""
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[Any, ...]:
        """Return what the app names and, for pages that are looked at, every field as people read it."""
        return (*super().get_readonly_fields(request, obj), *readings(self.model).values())

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Return the page's fields."""
        return [name for name in super().get_fields(request, obj) if not hasattr(name, "reads")]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the page's sections; what is only shown is read as people do, once, and left out where it is empty."""
        sections = super().get_fieldsets(request, obj)
        if obj is None:
            return sections
        shown = set(self.get_readonly_fields(request, obj))
        if not self.has_change_permission(request, obj):
            shown |= set(flatten_fieldsets(sections))
        columns = {name: column for name, column in readings(self.model).items() if column in shown}

        def kept(name: Any) -> bool:
            return name not in shown or not (name in self.header_fields or self._is_empty(obj, name))

        def laid(row: Any) -> Any:
            names = [row] if isinstance(row, str) or callable(row) else row
            return tuple(columns.get(name, name) if name in shown else name for name in names if kept(name))

        trimmed = [(title, {**options, "fields": [row for row in map(laid, options["fields"]) if row]})
                   for title, options in sections]  # fmt: skip
        return [(title, options) for title, options in trimmed if options["fields"]]

    def _is_empty(self, obj: Any, name: Any) -> bool:
        try:
            field: Any = self.model._meta.get_field(name)
        except FieldDoesNotExist:
            return False
        value = getattr(obj, field.attname, None) if field.concrete and not field.many_to_many else obj
        return value in (None, "", [], {}) or (isinstance(field, FileField) and not value)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Return the form, guarded against older versions and able to show a verb's refusal."""
        form = super().get_form(request, obj, change, **kwargs)
        return type(form.__name__, (GuardedForm, form), {"refusal": getattr(request, "refusal", None)})

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponseBase:
        """Show or save the page; what is refused while saving is shown above what was typed."""
        with acting(request.user):  # type: ignore[arg-type]
            try:
                return super().changeform_view(request, object_id, form_url, extra_context)
            except BLB3DError as error:
                if request.method != "POST":
                    raise
                # The save was rolled back. The same again, and the form itself refuses.
                request.refusal = error  # type: ignore[attr-defined]
                return super().changeform_view(request, object_id, form_url, extra_context)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponseBase:
        """Show the list; its actions are acted by the person."""
        with acting(request.user):  # type: ignore[arg-type]
            return super().changelist_view(request, extra_context)

    def response_post_save_add(self, request: HttpRequest, obj: Any) -> HttpResponse:
        """Go on to the page of what was made: its next step is there."""
        return self._stay(request, obj)

    def response_post_save_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        """Stay on the page."""
        return self._stay(request, obj)

    def _stay(self, request: HttpRequest, obj: Any) -> HttpResponse:
        if not self.has_view_or_change_permission(request, obj):
            return redirect(f"{self.admin_site.name}:index")
        return redirect(self._page_url(obj))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], add: bool = False, change: bool = False, **kwargs: Any
    ) -> Any:
        """Add the header, the buttons, the related documents and the timeline to the page."""
        obj = kwargs.get("obj")
        if obj is not None and not context.get("is_popup"):
            context["document"] = self.document_page(request, obj)
            context["show_history"] = isinstance(self, HistoryAdmin)
            context["show_save_and_add_another"] = False
            context["show_save_and_continue"] = False
            typed = bool(context["adminform"].form.fields)
            lines = any(
                inline.has_change_permission or inline.has_add_permission for inline in context["inline_admin_formsets"]
            )
            context["show_save"] = typed or lines
        return super().render_change_form(request, context, add=add, change=change, **kwargs)


class DocumentAdmin(HistoryAdmin, ConsoleAdmin):
    """The page and list of a :class:`~blb3d.core.documents.Document`: the guide for an app's ``admin.py``.

    ::

        @admin.register(SalesOrder)
        class SalesOrderAdmin(DocumentAdmin):
            list_display = ("order_number", "customer", "status", "payment", "total", "created_at")
            list_filter = ("status", "source", ("created_at", RangeDateFilter))      # unfold.contrib.filters.admin
            search_fields = ("order_number", "customer__name", "customer_po_number")
            payment = chip_column("payment_status", "payment")
            total = money_column("grand_total", "total")
            header_fields = ("customer", "source", "promised_date", "grand_total")
            related_documents = ("customer", "quote", "production_orders", "shipments", "invoices")
            readonly_fields = ("order_number", "customer", "source", "grand_total")
            inlines = (SalesOrderLineInline,)
            verbs = {"confirm": sales.confirm_order, "cancel": sales.cancel_order, "hold": sales.hold_order}
            bulk_verbs = ("confirm",)
            extra_verbs = (
                AdminVerb(
                    name="record_payment", label="Record a payment", call=sales.record_payment,
                    permission="sales.record_payment_salesorder", form_class=PaymentForm,
                    visible=lambda order: order.payment_status != "paid",
                ),
            )

    You get, without saying it:

    * **Buttons** from the lifecycle: every step in ``verbs`` that is legal now and permitted to the person. Primary
      ones stand first, what does not fit goes to the menu. A step's value is the verb (``call(obj, *, actor,
      reason="")``; ``reason`` may be missing) or an :class:`AdminVerb` with a form. A button posts to
      ``<id>/verb/<name>/``; GET is refused. A danger, a required reason, a form or ``confirm`` text ask on a page of
      their own first. Refusals (:class:`~blb3d.core.errors.BLB3DError`) are shown with their code, what was typed
      stays. Steps left out of ``verbs`` have no button.
    * **extra_verbs** for acts that are no step. They always name a permission. A form subclasses :class:`VerbForm`;
      its cleaned fields become keyword arguments; ``key_choice(Model, "field")`` searches for a document. A verb that
      returns an ``HttpResponse`` sends it (a PDF), one that returns another document links to it.
    * **effects**: ``AdminVerb(call=..., effects=order_effects)`` tells on a page of its own what the act will do
      (:class:`~blb3d.core.effects.Effect`) before it is done; an act to many rows at once is not told.
    * **heading, progress, page_links**: override them to name the page better, to show "34 of 50", or to link to pages
      that are not a table's (``reverse("console-trace")``).
    * **totals** below the lines, and **events** beside the document's own history in its timeline.
    * **Lines first**: inlines stand right below the header, the form's fields after them. A :class:`ReadOnlyInline`
      without rows is left out, and so is what is only shown and empty, or named in the header already.
    * **Numbers, money and moments** that are only shown are read as people do, in lists, lines and pages; the unit is
      taken from the field's name, see :mod:`blb3d.core.admin.reading`.
    * **bulk_verbs**: the same acts on many rows; what is refused is skipped and named.
    * **Status, audit columns and version** are read-only. ``"status"`` in ``list_display`` becomes a chip.
    * **Stale pages**: the version travels with the form; an older one is refused with who changed what, nothing typed
      is lost. Whatever a ``save_model`` raises as ``BLB3DError`` is shown the same way.
    * **The acting person** is set for the whole request: history, audit columns and verbs see it.
    * **Creating** a document that has a verb for it: override :meth:`create`.
    * **Keys** are autocompletes where the target has ``search_fields``, else raw ids. Lines: :class:`DocumentInline`
      (edited) or :class:`ReadOnlyInline` (shown).
    * **Lists** cost a constant number of queries: keys in ``list_display`` are joined; name what your methods read in
      ``list_related``. There is a test for every registered list.
    * **Files**: every list can be had as CSV and XLSX, filtered as it is shown. A method's column is sent as its words,
      one made by ``money_column`` or ``number_column`` as a number.
    * **No delete.**

    Append-only tables use :class:`LedgerAdmin`; plain tables with acts use :class:`ConsoleAdmin`.
    """

    #: Step name -> the verb that takes it.
    verbs: ClassVar[dict[str, Callable[..., Any] | AdminVerb]] = {}

    @property
    def _lifecycle(self) -> Lifecycle[Any] | None:
        return self.model.lifecycle  # type: ignore[attr-defined,no-any-return]

    def declared_verbs(self) -> list[AdminVerb]:
        """Return the steps that have a verb here, in table order, then the extra ones."""
        lifecycle = self._lifecycle
        declared = []
        for step in lifecycle.steps.values() if lifecycle else ():
            given = self.verbs.get(step.name)
            if given is None or step.permission is None:
                continue
            verb = given if isinstance(given, AdminVerb) else AdminVerb(call=given)
            declared.append(
                replace(
                    verb,
                    name=step.name,
                    label=verb.label or step.title,
                    permission=step.permission,
                    style=verb.style or step.style,
                    reason_required=step.reason_required or verb.reason_required,
                )
            )
        return [*declared, *self.extra_verbs]

    def _possible(self, verb: AdminVerb, obj: Any) -> bool:
        lifecycle = self._lifecycle
        step = lifecycle.steps.get(verb.name) if lifecycle and verb.name in self.verbs else None
        legal = lifecycle is None or step is None or getattr(obj, lifecycle.field) in step.sources
        return legal and super()._possible(verb, obj)

    def create(self, request: HttpRequest, obj: Any, form: Any) -> Any:
        """Store a new document from a filled, unsaved ``obj`` and return it; override to call a verb."""
        obj.save()
        return obj

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Store the page as the acting person."""
        if change:
            super().save_model(request, obj, form, change)
            return
        created = self.create(request, obj, form)
        if created is not obj:
            obj.__dict__.update(created.__dict__)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Return what nobody types: the status and the audit columns, besides what the app names."""
        status = (self._lifecycle.field,) if self._lifecycle else ()
        audit = AUDIT_FIELDS if obj is not None else ()
        return tuple(dict.fromkeys((*super().get_readonly_fields(request, obj), *status, *audit)))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Return the page's fields without the status, which the header shows, and the audit columns."""
        hidden = {*AUDIT_FIELDS, *((self._lifecycle.field,) if self._lifecycle else ())}
        return [name for name in super().get_fields(request, obj) if name not in hidden]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the page's sections, on an existing document with one for the audit columns."""
        sections = list(super().get_fieldsets(request, obj))
        if obj is not None:
            columns: dict[Any, Any] = dict(readings(self.model))
            made, changed = ([columns.get(name, name) for name in row] for row in (AUDIT_FIELDS[:2], AUDIT_FIELDS[2:]))
            sections.append(("Record", {"classes": ["collapse"], "fields": [made, changed]}))
        return sections


class LedgerAdmin(ConsoleAdmin):
    """A table that is only read here: ledgers, logs, facts."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False
