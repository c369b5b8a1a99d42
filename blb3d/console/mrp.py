"""Material planning for people: what to buy and to make for whom, one product over time, what if, and earlier runs."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Case, F, IntegerField, Q, QuerySet, When
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_GET, require_POST
from unfold import widgets

from blb3d.console.navigation import PLANNING, list_url, page_url
from blb3d.core.admin.verbs import worded
from blb3d.core.errors import BLB3DError
from blb3d.core.tables import write_csv, write_xlsx
from inventory.models import Product, Vendor
from inventory.selectors.sourcing import sources
from production.models import MRPRun, PlanLate, PlanMessage, PlannedOrder, PlanSupply, Replenish
from production.selectors.mrp_plan import (
    Branch,
    Difference,
    Reasons,
    amount,
    chain,
    compare,
    days_old,
    in_words,
    last_failure,
    message_names,
    message_permission,
    names_of,
    newest_run,
    pegging_tree,
    proposals,
    release_permissions,
    shortfalls,
    stock_over_time,
    why,
)
from production.selectors.mrp_whatif import Change, ChangedDemand, ExtraDemand, LateSupply, LeadTime, WhatIf, what_if
from production.services import mrp

#: Planned orders of a kind on one page, messages, and endangered orders of one product.
SHOWN = 100
MESSAGES_SHOWN = 50
DEMANDS_SHOWN = 8
#: Whom an order is for, in the list and in the file.
REASONS_SHOWN = 3
REASONS_IN_FILE = 20
MAY_RUN = "production.run_mrp"
MAY_FIRM = "production.add_firmorder"


def _check(request: HttpRequest, *permissions: str) -> None:
    if not request.user.has_perms((*PLANNING.permissions, *permissions)):  # type: ignore[union-attr]
        raise PermissionDenied


def _show(request: HttpRequest, template: str, title: str, context: dict[str, Any]) -> TemplateResponse:
    frame = {**admin.site.each_context(request), "title": title, **context}
    return TemplateResponse(request, f"admin/console/{template}.html", frame)


def _dress(form: forms.Form) -> None:
    for field in form.fields.values():
        classes = widgets.SELECT_CLASSES if isinstance(field.widget, forms.Select) else widgets.INPUT_CLASSES
        field.widget.attrs["class"] = " ".join(classes)


class FilterForm(forms.Form):
    """Which planned orders are shown."""

    q = forms.CharField(required=False, max_length=60, label="Product")
    kind = forms.ChoiceField(choices=[("", "All"), *Replenish.choices], required=False, label="Make or buy")
    vendor = forms.ModelChoiceField(Vendor.objects.order_by("code"), required=False, empty_label="All")
    until = forms.DateField(
        required=False, label="To start until", widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    late = forms.ChoiceField(choices=[("", "All"), ("on", "Only what comes too late")], required=False, label="In time")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _dress(self)


@dataclass(frozen=True)
class Line:
    """A planned order as the page shows it."""

    order: PlannedOrder
    reasons: Reasons
    url: str

    @property
    def words(self) -> str:
        """What to do: ``Buy 3 kg M-BLACK``."""
        product = self.order.product
        quantity = amount(self.order.quantity, product.unit_of_measure)
        return f"{self.order.get_kind_display().capitalize()} {quantity} {product.sku}"

    @property
    def whom(self) -> str:
        """Whom it is for."""
        return in_words(self.reasons, self.order.product.unit_of_measure, most=REASONS_SHOWN)

    @property
    def is_late(self) -> bool:
        """True when it cannot be there on its day."""
        return self.order.ready_on > self.order.due_on


@dataclass(frozen=True)
class Group:
    """Planned purchases from one vendor; ``title`` says so."""

    title: str
    lines: list[Line]


def _filtered(run: MRPRun, form: FilterForm) -> QuerySet[PlannedOrder]:
    rows = PlannedOrder.objects.filter(run=run, is_taken=False).select_related("product")
    if not form.is_valid():
        return rows.order_by("start_on", "id")
    given = form.cleaned_data
    if given["q"]:
        rows = rows.filter(Q(product__sku__icontains=given["q"]) | Q(product__name__icontains=given["q"]))
    if given["kind"]:
        rows = rows.filter(kind=given["kind"])
    if given["until"]:
        rows = rows.filter(start_on__lte=given["until"])
    if given["late"]:
        rows = rows.filter(ready_on__gt=F("due_on"))
    if given["vendor"]:
        bought = set(rows.filter(kind=Replenish.BUY).order_by().values_list("product_id", flat=True))
        own = [pk for pk, source in sources(bought).items() if source.vendor_id == given["vendor"].pk]
        rows = rows.filter(kind=Replenish.BUY, product__in=own)
    return rows.order_by("start_on", "id")


def _lines(run: MRPRun, rows: Sequence[PlannedOrder], *, most: int = REASONS_SHOWN) -> list[Line]:
    return [
        Line(row, reasons, reverse("console-mrp-product", args=[row.product_id]))
        for row, reasons in zip(rows, why(run, rows, most=most), strict=True)
    ]


def _grouped(lines: Iterable[Line]) -> list[Group]:
    """Return purchases by the vendor that they would go to, those without one last."""
    lines = list(lines)
    found = sources({line.order.product_id for line in lines})
    vendors = Vendor.objects.in_bulk({source.vendor_id for source in found.values()})
    by_vendor: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        source = found.get(line.order.product_id)
        by_vendor[str(vendors[source.vendor_id]) if source else ""].append(line)
    return [
        Group(f"Buy from {name}" if name else "Buy, but nobody is known to sell it", by_vendor[name])
        for name in sorted(by_vendor, key=_last)
    ]


def _last(name: str) -> tuple[bool, str]:
    return (not name, name)


@require_GET
def planning(request: HttpRequest) -> HttpResponse:
    """Show the newest plan: what goes late and why, what to do with open orders, what to buy and to make."""
    _check(request)
    user: Any = request.user
    run = newest_run()
    form = FilterForm(request.GET)
    context: dict[str, Any] = {
        "run": run,
        "failure": last_failure(),
        "is_running": MRPRun.objects.filter(status=MRPRun.Status.RUNNING).exists(),
        "may_run": user.has_perm(MAY_RUN),
        "may_firm": user.has_perm(MAY_FIRM),
        "may_release": user.has_perms((MAY_FIRM, "production.release_firmorder")),
        "form": form,
    }
    if run is None:
        return _show(request, "mrp", PLANNING.title, context)
    rows = _filtered(run, form)
    if request.GET.get("format") in ("csv", "xlsx"):
        return _export(run, list(rows), request.GET["format"])
    asked = {name: value for name, value in request.GET.items() if name not in ("format", "tick")}
    to_buy = list(rows.filter(kind=Replenish.BUY)[: SHOWN + 1])
    to_make = list(rows.filter(kind=Replenish.MAKE)[: SHOWN + 1])
    lines = _lines(run, [*to_buy[:SHOWN], *to_make[:SHOWN]])
    short = shortfalls(run)
    context |= {
        "days_old": days_old(run),
        "messages_to_do": _messages(run, request),
        "more_messages": max(PlanMessage.objects.filter(run=run, is_done=False).count() - MESSAGES_SHOWN, 0),
        "shortfalls": [
            {
                "row": row,
                "url": reverse("console-mrp-product", args=[row.product.pk]),
                "demands": [(demand, reverse("console-mrp-late", args=[demand.late.pk])) for demand in row.demands][
                    :DEMANDS_SHOWN
                ],
                "more": max(len(row.demands) - DEMANDS_SHOWN, 0),
            }
            for row in short
        ],
        "groups": _grouped(line for line in lines if line.order.kind == Replenish.BUY),
        "to_make": [line for line in lines if line.order.kind == Replenish.MAKE],
        "is_cut": len(to_buy) > SHOWN or len(to_make) > SHOWN,
        "shown": SHOWN,
        "is_filtered": any(asked.values()),
        "is_ticked": "tick" in request.GET,
        "tick_url": f"?{urlencode({**asked, 'tick': '1'})}",
        "untick_url": f"?{urlencode(asked)}",
        "asked": urlencode(asked),
        "csv_url": f"?{urlencode({**asked, 'format': 'csv'})}",
        "xlsx_url": f"?{urlencode({**asked, 'format': 'xlsx'})}",
        "firm_url": list_url("production.FirmOrder", status__exact="firm"),
    }
    return _show(request, "mrp", PLANNING.title, context)


def _messages(run: MRPRun, request: HttpRequest) -> list[dict[str, Any]]:
    """Return what should become of open orders, in words, the most pressing first."""
    user: Any = request.user
    rank = Case(
        When(kind=PlanMessage.Kind.RESCHEDULE_IN, then=0),
        When(kind=PlanMessage.Kind.CANCEL, then=1),
        default=2,
        output_field=IntegerField(),
    )
    rows = PlanMessage.objects.filter(run=run, is_done=False).select_related("product")
    shown = list(rows.order_by(rank, "from_on", "id")[:MESSAGES_SHOWN])
    names = message_names(shown)
    found = []
    for row in shown:
        name = names[row.reference_type, row.reference_id, 0]
        found.append(
            {
                "row": row,
                "name": name.words,
                "url": page_url(name.model, name.pk, request) if name.model else "",
                "what": amount(row.quantity, row.product.unit_of_measure),
                "product_url": reverse("console-mrp-product", args=[row.product_id]),
                "may": user.has_perm(message_permission(row)),
            }
        )
    return found


HEAD = ("what", "product", "name", "quantity", "unit", "start", "there by", "ready", "for")


def _export(run: MRPRun, rows: Sequence[PlannedOrder], kind: str) -> HttpResponse:
    """Return the planned orders as a file, with the reasons in words."""
    table: list[Sequence[Any]] = [HEAD]
    for line in _lines(run, rows, most=REASONS_IN_FILE):
        order, product = line.order, line.order.product
        whom = in_words(line.reasons, product.unit_of_measure, most=REASONS_IN_FILE)
        table.append(
            (
                order.get_kind_display(),
                product.sku,
                product.name,
                order.quantity,
                product.unit_of_measure,
                order.start_on,
                order.due_on,
                order.ready_on,
                whom,
            )
        )
    if kind == "csv":
        content, mime = write_csv(table), "text/csv; charset=utf-8"
    else:
        content = write_xlsx(table, title=run.number).read()
        mime = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    name = f'attachment; filename="{run.number}.{kind}"'
    return HttpResponse(content, content_type=mime, headers={"Content-Disposition": name})


@require_POST
def run_now(request: HttpRequest) -> HttpResponse:
    """Plan all material anew."""
    _check(request, MAY_RUN)
    try:
        run = mrp.run_mrp(cause="asked for in the console", actor=request.user)  # type: ignore[arg-type]
    except BLB3DError as error:
        messages.error(request, worded(error))
    else:
        planned = _counted(run.planned_to_make + run.planned_to_buy, "order is planned", "orders are planned")
        late = _counted(run.late, "demand goes late", "demands go late")
        messages.success(request, f"{run.number}: {planned}, {late}.")
    return redirect(PLANNING.url_name)


def _counted(count: int, one: str, more: str) -> str:
    return f"{count} {one if count == 1 else more}"


def _ids(request: HttpRequest) -> list[int]:
    return [int(pk) for pk in request.POST.getlist("chosen") if pk.isdecimal() and len(pk) < 19]


@require_POST
def act(request: HttpRequest) -> HttpResponse:
    """Make the ticked planned orders firm, or release them: purchase orders by vendor, production orders for stock."""
    releases = request.POST.get("act") == "release"
    _check(request, MAY_FIRM)
    rows = list(PlannedOrder.objects.filter(pk__in=_ids(request)).order_by("id"))
    if releases:
        _check(request, *release_permissions(row.kind for row in rows))
    asked = request.POST.get("asked", "")
    back = f"{reverse(PLANNING.url_name)}?{asked}" if asked else reverse(PLANNING.url_name)
    user: Any = request.user
    try:
        if releases:
            released = mrp.release(rows, actor=user)
            made = [*released.production_orders, *released.purchase_orders]
            messages.success(request, f"Written as drafts: {_listed(made)}.")
        else:
            decided = mrp.firm(rows, actor=user)
            messages.success(request, f"Firm: {_listed(decided)}. The next runs take them as given.")
    except BLB3DError as error:
        messages.error(request, worded(error))
    return redirect(back)


def _listed(documents: Sequence[Any], most: int = 10) -> str:
    words = ", ".join(str(document) for document in documents[:most])
    return f"{words} and {len(documents) - most} more" if len(documents) > most else words


@require_POST
def do_message(request: HttpRequest, pk: int) -> HttpResponse:
    """Do what a message says."""
    _check(request)
    message = get_object_or_404(PlanMessage.objects.select_related("product"), pk=pk)
    user: Any = request.user
    if not user.has_perm(message_permission(message)):
        raise PermissionDenied
    try:
        mrp.apply_message(message, reason=request.POST.get("reason", "")[:500], actor=user)
    except BLB3DError as error:
        messages.error(request, worded(error))
    else:
        messages.success(request, "Done.")
    return redirect(PLANNING.url_name)


# --- One product ------------------------------------------------------------------------------------------------------
STEPS = {"day": (1, 28, "28 days"), "week": (7, 13, "13 weeks"), "month": (28, 13, "a year")}


@require_GET
def product(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one product over time: what is needed, what comes, what is there then, and whom each order serves."""
    _check(request)
    found = get_object_or_404(Product, pk=pk)
    run = newest_run()
    if run is None:
        raise Http404
    step = request.GET.get("by", "week")
    days, periods, _ = STEPS.get(step, STEPS["week"])
    plan = stock_over_time(run, found, days=days, periods=periods)
    rows: list[PlannedOrder | PlanSupply] = []
    rows += plan.supplies[:SHOWN]
    rows += plan.planned[:SHOWN]
    trees = pegging_tree(run, rows)
    names = names_of([_key(row) for row in rows])
    orders = [
        {
            "row": row,
            "name": names[_key(row)].words,
            "url": _url(names[_key(row)], request),
            "is_planned": isinstance(row, PlannedOrder),
            "day": row.due_on if isinstance(row, PlannedOrder) else row.on,
            "quantity": amount(row.quantity, found.unit_of_measure),
            "tree": [_shown(branch, request) for branch in tree],
        }
        for row, tree in zip(rows, trees, strict=True)
    ]
    context = {
        "run": run,
        "product": found,
        "product_url": page_url("inventory.Product", found.pk, request),
        "plan": plan,
        "orders": orders,
        "unit": found.unit_of_measure,
        "by": step if step in STEPS else "week",
        "steps": [(name, words) for name, (_, _, words) in STEPS.items()],
        "planning_url": reverse(PLANNING.url_name),
    }
    return _show(request, "mrp_product", f"{found.sku}, planned", context)


def _key(row: PlannedOrder | PlanSupply) -> tuple[str, int, int]:
    if isinstance(row, PlannedOrder):
        return ("planned", row.product_id, row.number)
    return (row.reference_type, row.reference_id, 0)


def _url(name: Any, request: HttpRequest) -> str:
    if name.model == "inventory.Product":
        return reverse("console-mrp-product", args=[name.pk])
    return page_url(name.model, name.pk, request) if name.model else ""


def _shown(branch: Branch, request: HttpRequest) -> dict[str, Any]:
    return {
        "words": branch.name.words,
        "url": _url(branch.name, request),
        "quantity": branch.quantity,
        "day": branch.day,
        "above": [_shown(above, request) for above in branch.above],
    }


@require_GET
def late(request: HttpRequest, pk: int) -> HttpResponse:
    """Show why a demand goes late: from what it needs down to what comes last."""
    _check(request)
    row = get_object_or_404(PlanLate.objects.select_related("run", "product", "cause"), pk=pk)
    links = chain(row.run, row)
    key = (row.reference_type, row.reference_id, 0)
    names = names_of([key, *(link.key for link in links)])
    products = Product.all_objects.in_bulk({link.product_id for link in links})
    steps = [
        {
            "link": link,
            "product": products[link.product_id],
            "product_url": reverse("console-mrp-product", args=[link.product_id]),
            "name": names[link.key].words,
            "url": _url(names[link.key], request),
            "quantity": amount(link.quantity, products[link.product_id].unit_of_measure),
            "days": (link.ready - link.needed).days,
        }
        for link in links
    ]
    context = {
        "row": row,
        "name": names[key].words,
        "quantity": amount(row.quantity, row.product.unit_of_measure),
        "days": (row.ready_on - row.due_on).days,
        "steps": steps,
        "planning_url": reverse(PLANNING.url_name),
    }
    return _show(request, "mrp_late", f"Why {names[key].words} goes late", context)


# --- What if ----------------------------------------------------------------------------------------------------------
class WhatIfForm(forms.Form):
    """What should be different; every group may be left empty."""

    extra_product = forms.CharField(required=False, max_length=60, label="Product (SKU)")
    extra_quantity = forms.DecimalField(
        required=False, min_value=Decimal("0.0001"), max_digits=14, decimal_places=4, label="How much"
    )
    extra_due = forms.DateField(required=False, label="For when", widget=forms.DateInput(attrs={"type": "date"}))
    order = forms.CharField(required=False, max_length=60, label="Order (number)")
    order_product = forms.CharField(required=False, max_length=60, label="Product (SKU)")
    order_quantity = forms.DecimalField(
        required=False, min_value=Decimal(0), max_digits=14, decimal_places=4, label="How much then"
    )
    order_due = forms.DateField(required=False, label="Due then", widget=forms.DateInput(attrs={"type": "date"}))
    supply = forms.CharField(required=False, max_length=60, label="Its number")
    supply_day = forms.DateField(required=False, label="Comes on", widget=forms.DateInput(attrs={"type": "date"}))
    lead_product = forms.CharField(required=False, max_length=60, label="Product (SKU)")
    lead_days = forms.IntegerField(required=False, min_value=0, max_value=3650, label="Days")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _dress(self)

    def groups(self) -> list[tuple[str, list[Any]]]:
        """Return the fields as they belong together, each group with its question."""
        names = {
            "Somebody orders more": ("extra_product", "extra_quantity", "extra_due"),
            "An order changes": ("order", "order_product", "order_quantity", "order_due"),
            "A purchase or production order comes on another day": ("supply", "supply_day"),
            "Getting or making a product takes another time": ("lead_product", "lead_days"),
        }
        return [(title, [self[name] for name in fields]) for title, fields in names.items()]

    def _product(self, name: str) -> Product | None:
        sku = str(self.cleaned_data.get(name) or "").strip().upper()
        if not sku:
            return None
        found = Product.objects.filter(sku=sku).first()
        if found is None:
            raise forms.ValidationError("There is no such product.")
        return found

    def clean_extra_product(self) -> Product | None:
        """Return the product."""
        return self._product("extra_product")

    def clean_order_product(self) -> Product | None:
        """Return the product."""
        return self._product("order_product")

    def clean_lead_product(self) -> Product | None:
        """Return the product."""
        return self._product("lead_product")

    def clean(self) -> dict[str, Any]:
        """Say what is missing of a group that was begun."""
        given: dict[str, Any] = self.cleaned_data
        for names in (("extra_product", "extra_quantity", "extra_due"), ("order", "order_product"),
                      ("supply", "supply_day"), ("lead_product", "lead_days")):  # fmt: skip
            filled = [name for name in names if given.get(name) not in (None, "")]
            for name in names:
                if filled and name not in filled and name not in self.errors:
                    self.add_error(name, "This is needed, too.")
        if given.get("order") and given.get("order_quantity") is None and given.get("order_due") is None:
            self.add_error("order_quantity", "Please say what changes: the quantity, the date, or both.")
        return given

    def changes(self) -> list[Change]:
        """Return what is asked."""
        given = self.cleaned_data
        found: list[Change] = []
        if given["extra_product"]:
            found.append(ExtraDemand(given["extra_product"], given["extra_quantity"], given["extra_due"]))
        if given["order"]:
            found.append(
                ChangedDemand(
                    given["order"].strip(), given["order_product"], given["order_quantity"], given["order_due"]
                )
            )
        if given["supply"]:
            found.append(LateSupply(given["supply"].strip(), given["supply_day"]))
        if given["lead_product"]:
            found.append(LeadTime(given["lead_product"], given["lead_days"]))
        return found


@require_GET
def imagine(request: HttpRequest) -> HttpResponse:
    """Plan with something changed and show what would be different; nothing is stored."""
    _check(request, MAY_RUN)
    form = WhatIfForm(request.GET or None)
    answer: WhatIf | None = None
    refusal = ""
    if form.is_bound and form.is_valid():
        try:
            answer = what_if(form.changes())
        except BLB3DError as error:
            refusal = worded(error)
    context: dict[str, Any] = {"form": form, "refusal": refusal, "answer": answer}
    if answer is not None:
        pks = {row.product_id for row in answer.differences}
        pks |= {pk for row in answer.late for pk in (row.product_id, row.cause_id)}
        products = Product.all_objects.in_bulk(pks)
        context |= {
            "rows": _differences(answer.differences, products),
            "late": [
                {"row": row, "product": products[row.product_id], "cause": products[row.cause_id]}
                for row in answer.late
            ],
        }
    context["planning_url"] = reverse(PLANNING.url_name)
    return _show(request, "mrp_what_if", "What if", context)


def _differences(differences: Sequence[Difference], products: dict[int, Product]) -> list[dict[str, Any]]:
    return [
        {
            "row": row,
            "product": products[row.product_id],
            "url": reverse("console-mrp-product", args=[row.product_id]),
            "kind": (row.after or row.before).kind,  # type: ignore[union-attr]
            "before": _side(row.before, products[row.product_id]),
            "after": _side(row.after, products[row.product_id]),
        }
        for row in differences
    ]


def _side(row: Any, product: Product) -> str:
    if row is None:
        return "–"
    late = f", there {_day(row.ready_on)}" if row.ready_on > row.due_on else ""
    return f"{amount(row.quantity, product.unit_of_measure)} by {_day(row.due_on)}{late}"


def _day(day: datetime.date) -> str:
    return f"{day.day} {day:%b}"


# --- Earlier runs -----------------------------------------------------------------------------------------------------
@require_GET
def runs(request: HttpRequest) -> HttpResponse:
    """Show the last runs, and what changed from one to another."""
    _check(request)
    rows = list(MRPRun.objects.select_related("started_by").order_by("-id")[:50])
    comparable = [row for row in rows if row.status == MRPRun.Status.DONE and row.has_rows]
    pair = [_run_of(comparable, request.GET.get(name, "")) for name in ("a", "b")]
    context: dict[str, Any] = {
        "runs": rows,
        "comparable": comparable,
        "planning_url": reverse(PLANNING.url_name),
        "select_class": " ".join(widgets.SELECT_CLASSES),
    }
    if pair[0] is None and pair[1] is None and len(comparable) > 1:
        pair = [comparable[1], comparable[0]]
    before, after = pair
    context |= {"before": before, "after": after}
    if before is not None and after is not None:
        differences = compare(proposals(before), proposals(after))
        products = Product.all_objects.in_bulk({row.product_id for row in differences[:SHOWN]})
        context |= {
            "rows": _differences(differences[:SHOWN], products),
            "more": max(len(differences) - SHOWN, 0),
            "is_compared": True,
        }
    return _show(request, "mrp_runs", "Runs of material planning", context)


def _run_of(runs: Iterable[MRPRun], given: str) -> MRPRun | None:
    return next((run for run in runs if str(run.pk) == given), None)


def _page(address: str, view: Any, name: str) -> URLPattern:
    return path(f"admin/mrp/{address}", admin.site.admin_view(view), name=name)


urlpatterns: list[URLPattern] = [
    _page("", planning, PLANNING.url_name),
    _page("run/", run_now, "console-mrp-run"),
    _page("act/", act, "console-mrp-act"),
    _page("message/<int:pk>/", do_message, "console-mrp-message"),
    _page("product/<int:pk>/", product, "console-mrp-product"),
    _page("late/<int:pk>/", late, "console-mrp-late"),
    _page("what-if/", imagine, "console-mrp-what-if"),
    _page("runs/", runs, "console-mrp-runs"),
]
