"""The pages of documents: what all of them share, so that an app's admin says only what is its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from django.contrib import messages
from django.contrib.admin.utils import display_for_field, display_for_value, label_for_field, lookup_field, unquote
from django.core.exceptions import FieldDoesNotExist, ObjectDoesNotExist, PermissionDenied
from django.db import models
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.views import ChangeList

from blb3d.core.actors import acting
from blb3d.core.admin.history import HistoryAdmin
from blb3d.core.admin.keys import AutocompleteKeys
from blb3d.core.admin.timeline import changed_since, timeline
from blb3d.core.admin.verbs import AdminVerb, VerbForm, worded
from blb3d.core.documents import Document
from blb3d.core.errors import BLB3DError, InvalidTransition, StaleVersion
from blb3d.core.lifecycle import Lifecycle
from blb3d.core.templatetags.blb3d_ui import chip, money, plain_number

#: How many buttons stand beside the number; the rest is in the menu.
BUTTONS = 3
RELATED_SHOWN = 5

AUDIT_FIELDS = ("created_at", "created_by", "updated_at", "updated_by", "version")


def chip_column(field: str, description: str = "") -> Callable[..., SafeString]:
    """Return a list column that shows a field with choices as a chip: ``payment = chip_column("payment_status")``."""

    @display(description=description or field.replace("_", " "), ordering=field)
    def column(self: Any, obj: Any) -> SafeString:
        return status_chip(obj, field)

    return column


def money_column(field: str, description: str = "", currency: str = "currency") -> Callable[..., str]:
    """Return a list column that shows an amount with its currency."""

    @display(description=description or field.replace("_", " "), ordering=field)
    def column(self: Any, obj: Any) -> str:
        return money(getattr(obj, field), getattr(obj, currency, None))

    return column


def number_column(field: str, description: str = "", unit: str = "") -> Callable[..., str]:
    """Return a list column that shows a quantity without the zeros of storage; ``unit`` is a field's name or text."""

    @display(description=description or field.replace("_", " "), ordering=field)
    def column(self: Any, obj: Any) -> str:
        return f"{plain_number(getattr(obj, field))} {getattr(obj, unit, unit)}".strip()

    return column


def status_chip(obj: Any, field: str = "status") -> SafeString:
    """Return a document's status as a chip with the words of its choices."""
    shown = getattr(obj, f"get_{field}_display", None)
    value = getattr(obj, field)
    label = str(shown() if shown else value)
    return chip(value, label=label[:1].upper() + label[1:])


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


class _GuardedForm:
    """Mixin of a document's form: refuses what was typed on an older version, shows a refusal, keeps what was typed."""

    refusal: BLB3DError | None = None

    def clean(self) -> Any:
        cleaned = super().clean()  # type: ignore[misc]
        document = self.instance  # type: ignore[attr-defined]
        expected = self.data.get("_version", "")  # type: ignore[attr-defined]
        is_stored = isinstance(document, Document) and document.pk
        if is_stored and expected.isdecimal() and int(expected) != document.version:
            self.add_error(None, self._stale(document, int(expected)))  # type: ignore[attr-defined]
        elif self.refusal is not None:
            self.add_error(None, worded(self.refusal))  # type: ignore[attr-defined]
        return cleaned

    @staticmethod
    def _stale(document: Document, expected: int) -> str:
        change = changed_since(document, expected)
        what = f" ({', '.join(change.changed)})" if change and change.changed else ""
        who = change.who if change and change.who else "Somebody"
        return (
            f"{who} changed this{what} after you opened it. Nothing was saved; what you typed is still here. "
            f"Saving again puts it over the other change. [{StaleVersion.code}]"
        )


class _ChangeList(ChangeList):
    """A list that offers "show all" only when something narrows it."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if not self.query and not self.has_active_filters and not self.get_filters_params():
            self.full_result_count = self.result_count


class ConsoleAdmin(AutocompleteKeys, ModelAdmin):
    """The base of every admin: list defaults, a header, acts by POST. Documents use :class:`DocumentAdmin`."""

    change_form_template = "admin/document/change_form.html"
    verb_template = "admin/document/verb.html"

    #: Acts that are not steps of the lifecycle.
    extra_verbs: ClassVar[Sequence[AdminVerb]] = ()
    #: Names of acts that ask nothing and may be done to many rows at once.
    bulk_verbs: ClassVar[Sequence[str]] = ()
    #: Fields, or methods of the admin, shown beside the number.
    header_fields: ClassVar[Sequence[str]] = ()
    #: Relations shown as links, upward (keys) and downward (reverse accessors), in this order.
    related_documents: ClassVar[Sequence[str]] = ()
    #: Relations that methods in ``list_display`` read.
    list_related: ClassVar[Sequence[str]] = ()
    #: Lookups across relations by which other pages' links may filter the list.
    list_lookups: ClassVar[Sequence[str]] = ()

    list_per_page = 50
    show_full_result_count = False
    list_filter_submit = True
    list_filter_sheet = False
    warn_unsaved_form = True
    compressed_fields = True

    # --- Lists ----------------------------------------------------------------------------------------------------

    @display(description="status", ordering="status")
    def status_chip(self, obj: Any) -> SafeString:
        """Show the status as a chip; stands in for ``"status"`` in ``list_display``."""
        return status_chip(obj)

    def get_list_display(self, request: HttpRequest) -> tuple[Any, ...]:
        """Return the columns, the status as a chip."""
        return tuple("status_chip" if name == "status" else name for name in super().get_list_display(request))

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

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """Allow what Django allows and what ``list_lookups`` names."""
        return lookup in self.list_lookups or super().lookup_allowed(lookup, value, request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: nothing that was once written is deleted by hand."""
        return False

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Return the list's actions with those of ``bulk_verbs`` that this person may do."""
        actions: dict[str, Any] = super().get_actions(request)
        for verb in self.declared_verbs():
            if verb.name in self.bulk_verbs and self._may(request, verb):
                actions[f"verb_{verb.name}"] = (self._bulk(verb), f"verb_{verb.name}", verb.title)
        return actions

    @staticmethod
    def _bulk(verb: AdminVerb) -> Callable[..., None]:
        def run(self: ConsoleAdmin, request: HttpRequest, queryset: QuerySet[Any]) -> None:
            done, skipped = 0, []
            for document in queryset:
                try:
                    if verb.visible is not None and not verb.visible(document):
                        raise InvalidTransition("This is not possible now.")
                    verb.run(document, actor=request.user)  # type: ignore[arg-type]
                    done += 1
                except BLB3DError as error:
                    skipped.append(f"{document}: {worded(error)}")
            if done:
                self.message_user(request, f"{verb.title}: {done} done.", messages.SUCCESS)
            if skipped:
                shown = "; ".join(skipped[:5]) + (f"; and {len(skipped) - 5} more" if len(skipped) > 5 else "")
                self.message_user(request, f"{verb.title}: {len(skipped)} skipped. {shown}", messages.WARNING)

        return run

    # --- A page -----------------------------------------------------------------------------------------------------

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Return the form, guarded against older versions and able to show a verb's refusal."""
        form = super().get_form(request, obj, change, **kwargs)
        return type(form.__name__, (_GuardedForm, form), {"refusal": getattr(request, "refusal", None)})

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

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], add: bool = False, change: bool = False, **kwargs: Any
    ) -> Any:
        """Add the header, the buttons, the related documents and the timeline to the page."""
        obj = kwargs.get("obj")
        if obj is not None and not context.get("is_popup"):
            context["document"] = self.document_page(request, obj)
        return super().render_change_form(request, context, add=add, change=change, **kwargs)

    def document_page(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Return what stands around the form."""
        ranked = sorted(self.available_verbs(request, obj), key=lambda verb: {"primary": 0, "": 1}.get(verb.style, 2))
        beside = ranked if len(ranked) <= BUTTONS else ranked[: BUTTONS - 1]
        return {
            "title": self.heading(obj),
            "status": status_chip(obj) if hasattr(obj, "status") else "",
            "facts": [self._fact(obj, name) for name in self.header_fields],
            "progress": self.progress(obj),
            "buttons": [self._button(obj, verb) for verb in beside],
            "menu": [self._button(obj, verb) for verb in ranked[len(beside) :]],
            "related": list(self._related(request, obj)),
            "timeline": timeline(obj) if isinstance(obj, Document) else [],
            "version": getattr(obj, "version", ""),
        }

    def heading(self, obj: Any) -> str:
        """Return what the page is headed with, the number by which people know it."""
        return str(obj)

    def progress(self, obj: Any) -> tuple[int, int, str] | None:
        """Return how far it is as (done, of, words), or None where that means nothing."""
        return None

    def _fact(self, obj: Any, name: str) -> tuple[str, Any]:
        field, _, value = lookup_field(name, obj, self)
        label = label_for_field(name, self.model, self)
        if field is None:
            boolean = getattr(getattr(self, name, None), "boolean", False)
            return str(label), value if isinstance(value, SafeString) else display_for_value(value, "–", boolean)
        if field.remote_field is not None:
            return str(label), self._link(value) if value is not None else "–"
        return str(label), display_for_field(value, field, "–") or "–"

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

    # --- Acts -------------------------------------------------------------------------------------------------------

    def declared_verbs(self) -> list[AdminVerb]:
        """Return every act that the page knows, whether possible now or not."""
        return list(self.extra_verbs)

    def available_verbs(self, request: HttpRequest, obj: Any) -> list[AdminVerb]:
        """Return the acts that are possible now and allowed to this person."""
        return [verb for verb in self.declared_verbs() if self._may(request, verb) and self._possible(verb, obj)]

    def _may(self, request: HttpRequest, verb: AdminVerb) -> bool:
        return bool(verb.permission) and request.user.has_perm(verb.permission)  # type: ignore[union-attr]

    def _possible(self, verb: AdminVerb, obj: Any) -> bool:
        return verb.visible is None or verb.visible(obj)

    def _verb_url(self, obj: Any, name: str) -> str:
        opts = self.model._meta
        return reverse(f"{self.admin_site.name}:{opts.app_label}_{opts.model_name}_verb", args=[obj.pk, name])

    def _button(self, obj: Any, verb: AdminVerb) -> dict[str, Any]:
        return {"label": verb.title, "style": verb.style, "url": self._verb_url(obj, verb.name), "asks": verb.asks}

    def get_urls(self) -> list[Any]:
        """Return the pages with the door of the acts, ``<id>/verb/<name>/``."""
        opts = self.model._meta
        door = path(
            "<path:object_id>/verb/<slug:name>/",
            self.admin_site.admin_view(self.verb_view),
            name=f"{opts.app_label}_{opts.model_name}_verb",
        )
        return [door, *super().get_urls()]

    def verb_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponseBase:
        """Do an act, by POST only. One that asks is first answered by its page, which posts back here."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        verb = next((verb for verb in self.declared_verbs() if verb.name == name), None)
        obj = self.get_object(request, unquote(object_id))
        if verb is None or obj is None:
            raise Http404
        if not self.has_view_permission(request, obj) or not self._may(request, verb):
            raise PermissionDenied
        try:
            self._check_possible(request, verb, obj)
        except BLB3DError as error:
            return self._back(request, obj, error=error)
        form = None
        if verb.asks:
            answered = "_answered" in request.POST
            data, files = (request.POST, request.FILES) if answered else (None, None)
            form = verb.form(data, files, document=obj, actor=request.user)  # type: ignore[arg-type]
            if not form.is_valid():
                return self._ask(request, obj, verb, form)
        try:
            result = verb.run(obj, actor=request.user, form=form)  # type: ignore[arg-type]
        except BLB3DError as error:
            obj = self.get_object(request, unquote(object_id))
            if form is None:
                return self._back(request, obj, error=error)
            form.add_error(None, worded(error))
            return self._ask(request, obj, verb, form)
        if isinstance(result, HttpResponseBase):
            return result
        return self._back(request, self.get_object(request, unquote(object_id)), verb=verb, result=result)

    def _check_possible(self, request: HttpRequest, verb: AdminVerb, obj: Any) -> None:
        if not self._possible(verb, obj):
            state = obj.get_status_display() if hasattr(obj, "get_status_display") else "now"
            raise InvalidTransition(f"{verb.title} is not possible: {obj} is {state}.")
        expected = request.POST.get("_version", "")
        if isinstance(obj, Document) and expected.isdecimal() and int(expected) != obj.version:
            change = changed_since(obj, int(expected))
            who = change.who if change and change.who else "Somebody"
            raise StaleVersion(f"{who} changed {obj} after you opened it. Please look again; nothing was done.")

    def _ask(self, request: HttpRequest, obj: Any, verb: AdminVerb, form: VerbForm) -> TemplateResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.model._meta,
            "original": obj,
            "title": verb.title,
            "subtitle": str(obj),
            "verb": verb,
            "form": form,
            "media": self.media + form.media,
            "status": status_chip(obj) if hasattr(obj, "status") else "",
            "facts": [self._fact(obj, name) for name in self.header_fields],
            "version": getattr(obj, "version", ""),
            "verb_url": self._verb_url(obj, verb.name),
            "back_url": self._page_url(obj),
        }
        request.current_app = self.admin_site.name  # type: ignore[attr-defined]
        return TemplateResponse(request, self.verb_template, context)

    def _page_url(self, obj: Any) -> str:
        opts = self.model._meta
        return reverse(f"{self.admin_site.name}:{opts.app_label}_{opts.model_name}_change", args=[obj.pk])

    def _back(
        self,
        request: HttpRequest,
        obj: Any,
        *,
        error: BLB3DError | None = None,
        verb: AdminVerb | None = None,
        result: Any = None,
    ) -> HttpResponse:
        if error is not None:
            self.message_user(request, worded(error), messages.ERROR)
        elif verb is not None:
            state = f" It is now {obj.get_status_display()}." if hasattr(obj, "get_status_display") else ""
            text = format_html("{}: done for {}.{}", verb.title, obj, state)
            if isinstance(result, models.Model) and type(result) is not type(obj):
                text = format_html("{} {}", text, self._link(result))
            self.message_user(request, text, messages.SUCCESS)
        return redirect(self._page_url(obj))


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
            sections.append(("Record", {"classes": ["collapse"], "fields": [AUDIT_FIELDS[:2], AUDIT_FIELDS[2:]]}))
        return sections


class LedgerAdmin(ConsoleAdmin):
    """A table that is only read here: ledgers, logs, facts."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False
