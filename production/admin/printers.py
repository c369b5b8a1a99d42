"""Printers with their models, groups and services, work centers and maintenance in the console."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextInputWidget

from blb3d.accounts.models import User
from blb3d.core.admin import (
    AdminVerb,
    DocumentAdmin,
    DocumentInline,
    LedgerAdmin,
    ReadOnlyInline,
    VerbForm,
    chip_column,
    key_choice,
    number_column,
)
from blb3d.core.templatetags.blb3d_ui import swatch
from inventory.models import Product
from production import services as production
from production.admin.floor import ProblemInline
from production.models import (
    MaintenanceWindow,
    Printer,
    PrinterGroup,
    PrinterModel,
    PrinterSlot,
    ProductionOrder,
    ServicePlan,
    ServiceRecord,
    WorkCenter,
)
from production.selectors.board import tray_name

#: What a new printer takes from its model where nothing else was typed.
FROM_MODEL = ("nozzle_diameter_mm", "build_x_mm", "build_y_mm", "build_z_mm")


class WordsField(forms.CharField):
    """A list of words, typed with commas between them."""

    widget = UnfoldAdminTextInputWidget

    def prepare_value(self, value: Any) -> Any:
        """Show the list as it is typed."""
        return ", ".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> list[str]:  # type: ignore[override]
        """Return the words, each once, in their order."""
        words = (word.strip() for word in str(super().clean(value)).split(","))
        return list(dict.fromkeys(word for word in words if word))

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compare the words, however they are spaced."""
        return list(initial or []) != self.clean(data)


class PrinterForm(forms.ModelForm):  # type: ignore[type-arg]
    """A printer; a new one takes from its model what is left empty."""

    tags = WordsField(required=False, help_text="What plates may ask for, with commas: enclosed, hardened nozzle")

    class Meta:
        model = Printer
        fields = (
            "name", "serial", "model", "work_center", "groups", "tags", "auto_dispatch", "auto_eject", *FROM_MODEL,
            "hourly_rate",
        )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is None:
            given = kwargs.get("initial") or {}
            for name in FROM_MODEL:
                if name in self.fields:
                    self.fields[name].required = False
                    self.fields[name].initial = self.initial[name] = given.get(name)
                    self.fields[name].help_text = "Empty: as its model"

    def clean(self) -> dict[str, Any]:
        """Fill what was left empty."""
        cleaned = super().clean() or self.cleaned_data
        if self.instance.pk is None:
            model = PrinterModel.objects.filter(name=cleaned.get("model")).first() or PrinterModel()
            for name in FROM_MODEL:
                if name in self.fields and cleaned.get(name) is None and name not in self.errors:
                    cleaned[name] = getattr(model, name)
        return cleaned


class SlotInline(ReadOnlyInline):
    model = PrinterSlot
    fields = ("place", "color", "material", "material_type", "spool", "remain_percent", "tray_uuid", "tag_uid")
    readonly_fields = ("place", "color")
    show_change_link = False
    verbose_name_plural = "loaded"

    @display(description="tray")
    def place(self, slot: PrinterSlot) -> str:
        """Name the tray as the machine and the floor do, ``A1`` for the first."""
        return tray_name(slot.tray)

    @display(description="colour")
    def color(self, slot: PrinterSlot) -> SafeString | str:
        """Show the colour."""
        return swatch(slot.color_hex) if slot.color_hex else "–"


class WindowInline(DocumentInline):
    model = MaintenanceWindow
    fields = ("starts_at", "ends_at", "reason")
    show_change_link = False
    verbose_name_plural = "maintenance"


class LoadForm(VerbForm):
    tray = forms.IntegerField(min_value=0, max_value=255, help_text="AMS unit x 4 + slot; 254 is the external spool")

    def prepare(self) -> None:
        """Ask for the material and the spool."""
        self.fields["material"] = key_choice(PrinterSlot, "material", required=False)
        self.fields["spool"] = key_choice(PrinterSlot, "spool", required=False)


class ServiceForm(VerbForm):
    """A service that is planned for the printer, or another one by its name."""

    def prepare(self) -> None:
        """Offer the printer's own plans."""
        printer: Any = self.document
        plans = ServicePlan.objects.filter(
            Q(printer=printer) | Q(printer__isnull=True, printer_model=printer.model), is_active=True
        )
        self.fields["plan"] = forms.ModelChoiceField(plans, required=False, label="Service")
        self.fields["task"] = forms.CharField(max_length=200, required=False, label="Or what else was done")
        self.fields["note"] = forms.CharField(max_length=500, required=False)


@admin.register(Printer)
class PrinterAdmin(DocumentAdmin):
    form = PrinterForm
    list_display = ("name", "model", "doing", "link", "is_active", "auto_dispatch", "work_center", "last_seen_at")
    list_filter = ("model", "groups", "connection", "write_access", "is_active", "auto_dispatch")
    search_fields = ("name", "serial", "model")
    link = chip_column("connection")
    header_fields = ("connection", "doing", "foreign_job", "write_access", "out_of_service_reason", "last_seen_at")
    related_documents = ("print_jobs", "service_plans", "services")
    readonly_fields = ("is_active", "out_of_service_reason", "printed_minutes", "jobs_done")
    fields = (
        ("is_active", "out_of_service_reason"),
        ("name", "serial"),
        ("model", "work_center"),
        ("groups", "tags"),
        ("auto_dispatch", "auto_eject"),
        ("printed_minutes", "jobs_done"),
        ("nozzle_diameter_mm", "hourly_rate"),
        ("build_x_mm", "build_y_mm", "build_z_mm"),
    )
    inlines = (SlotInline, WindowInline, ProblemInline)
    extra_verbs = (
        AdminVerb(
            name="load",
            label="Load material",
            call=production.load_slot,
            permission="production.change_printer",
            form_class=LoadForm,
            style="primary",
        ),
        AdminVerb(
            name="clear_foreign",
            label="Foreign print removed",
            call=production.clear_foreign_print,
            permission="production.clear_printjob",
            confirm="A print that was not sent from here was taken off: the plate is empty.",
            visible=lambda printer: bool(printer.foreign_job),
        ),
        AdminVerb(
            name="allow_commands",
            label="Commands are allowed",
            call=production.allow_commands,
            permission="production.change_printer",
            confirm="The printer's developer mode is on: it obeys this system.",
            visible=lambda printer: printer.write_access == Printer.WriteAccess.NO,
        ),
        AdminVerb(
            name="record_service",
            label="Service done",
            call=production.record_service,
            permission="production.change_printer",
            form_class=ServiceForm,
        ),
        AdminVerb(
            name="out_of_service",
            label="Take out of service",
            call=production.take_out_of_service,
            permission="production.change_printer",
            reason_required=True,
            confirm="It gets no job until it is put back. What it prints goes on; a job on its way to it goes back.",
            visible=lambda printer: printer.is_active,
        ),
        AdminVerb(
            name="in_service",
            label="Put back in service",
            call=production.put_in_service,
            permission="production.change_printer",
            style="primary",
            visible=lambda printer: not printer.is_active,
        ),
    )

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Start a printer of a model with the model's values."""
        initial: dict[str, Any] = super().get_changeform_initial_data(request)  # type: ignore[assignment]
        model = PrinterModel.objects.filter(name=initial.get("model", "")).first()
        return {**({name: getattr(model, name) for name in FROM_MODEL} if model else {}), **initial}

    @display(description="state", ordering="state")
    def doing(self, printer: Printer) -> str:
        """Show the machine's own word as people write it."""
        return printer.state.replace("_", " ").capitalize()


@admin.register(WorkCenter)
class WorkCenterAdmin(DocumentAdmin):
    list_display = ("code", "name", "kind", "places", "hourly_rate", "is_active")
    list_filter = ("kind", "is_active")
    search_fields = ("code", "name")
    related_documents = ("printers", "shifts")
    fields = (("code", "name"), ("kind", "is_active"), ("places", "hourly_rate"))


class WindowForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = MaintenanceWindow
        fields = ("printer", "starts_at", "ends_at", "reason")

    def clean(self) -> dict[str, Any]:
        """Refuse a window that ends before it begins."""
        cleaned = super().clean() or self.cleaned_data
        start, end = cleaned.get("starts_at"), cleaned.get("ends_at")
        if start and end and end <= start:
            raise forms.ValidationError("It ends after it begins.")
        return cleaned


@admin.register(MaintenanceWindow)
class MaintenanceWindowAdmin(DocumentAdmin):
    form = WindowForm
    list_display = ("printer", "starts_at", "ends_at", "reason")
    list_filter = ("printer", ("starts_at", RangeDateTimeFilter))
    search_fields = ("printer__name", "reason")
    fields = ("printer", ("starts_at", "ends_at"), "reason")


class PrinterModelForm(forms.ModelForm):  # type: ignore[type-arg]
    material_types = WordsField(required=False, help_text="With commas: PLA, PETG. Empty: any")

    class Meta:
        model = PrinterModel
        fields = ("name", "is_active", *FROM_MODEL, "speed_factor", "material_types")


@admin.register(PrinterModel)
class PrinterModelAdmin(DocumentAdmin):
    form = PrinterModelForm
    list_display = ("name", "nozzle_diameter_mm", "build_x_mm", "build_y_mm", "build_z_mm", "speed_factor", "is_active")
    list_filter = ("is_active",)
    search_fields = ("name",)
    fields = (
        ("name", "is_active"),
        ("build_x_mm", "build_y_mm", "build_z_mm"),
        ("nozzle_diameter_mm", "speed_factor"),
        "material_types",
    )

    def page_links(self, obj: PrinterModel) -> list[tuple[str, str]]:
        """Lead to a new printer that starts with the model's values."""
        return [("New printer of this model", f"{reverse('admin:production_printer_add')}?model={obj.name}")]


class GroupPrinterInline(ReadOnlyInline):
    """The printers of a group; each chooses its groups on its own page."""

    model = Printer.groups.through
    fields = ("printer",)
    verbose_name_plural = "printers"


class CopiesForm(VerbForm):
    """What to print, how often, how urgently."""

    copies = forms.IntegerField(min_value=1, max_value=1_000_000, initial=1)
    priority = forms.TypedChoiceField(
        choices=ProductionOrder.Priority.choices, coerce=int, initial=ProductionOrder.Priority.NORMAL
    )
    due_date = forms.DateField(required=False, widget=forms.DateInput())

    def prepare(self) -> None:
        """Ask for the product."""
        self.fields = {"product": key_choice(ProductionOrder, "product"), **self.fields}


def _print_copies(
    group: PrinterGroup, *, product: Product, copies: int, priority: int, due_date: Any, actor: User
) -> ProductionOrder:
    return production.print_copies(
        product, copies=copies, group=group, priority=priority, due_date=due_date, actor=actor
    )


@admin.register(PrinterGroup)
class PrinterGroupAdmin(DocumentAdmin):
    list_display = ("name", "dispatch", "stagger_seconds", "last_start_at")
    list_filter = ("dispatch",)
    search_fields = ("name",)
    header_fields = ("last_start_at",)
    fields = ("name", ("dispatch", "stagger_seconds"))
    inlines = (GroupPrinterInline,)
    extra_verbs = (
        AdminVerb(
            name="copies",
            label="Print copies",
            call=_print_copies,
            permission="production.queue_productionorder",
            form_class=CopiesForm,
            style="primary",
            confirm="A production order for the shelf is planned, confirmed and queued for the printers of this group.",
        ),
    )


class ServicePlanForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = ServicePlan
        fields = (
            "task", "is_active", "printer", "printer_model", "every_hours", "every_jobs", "every_days",
            "blocks_printer",
        )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        """Refuse a plan that never falls due, or that is nobody's or two's."""
        cleaned = super().clean() or self.cleaned_data
        if not any(cleaned.get(name) for name in ("every_hours", "every_jobs", "every_days")):
            raise forms.ValidationError("Say after how many hours, jobs or days it is due.")
        if bool(cleaned.get("printer")) == bool(cleaned.get("printer_model")):
            raise forms.ValidationError("It is for one printer, or for all of a model: name one of the two.")
        return cleaned


@admin.register(ServicePlan)
class ServicePlanAdmin(DocumentAdmin):
    form = ServicePlanForm
    list_display = ("task", "printer", "printer_model", "every_hours", "every_jobs", "every_days", "blocks_printer")
    list_filter = ("is_active", "blocks_printer", "printer_model")
    search_fields = ("task", "printer__name", "printer_model")
    related_documents = ("printer", "records")
    fields = (
        ("task", "is_active"),
        ("printer", "printer_model"),
        ("every_hours", "every_jobs", "every_days"),
        "blocks_printer",
    )


@admin.register(ServiceRecord)
class ServiceRecordAdmin(LedgerAdmin):
    list_display = ("task", "printer", "hours", "jobs_done", "done_at", "done_by")
    list_filter = ("printer", ("done_at", RangeDateTimeFilter))
    search_fields = ("task", "note", "printer__name")
    hours = number_column("printed_minutes", "printed", "min")
