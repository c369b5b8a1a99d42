"""The machine page: exactly what is possible now at one printer, by big buttons; the QR label there leads here.

Every act is a form that works without script. It carries a one-time key, so that sending it again over a bad
connection does nothing twice and says what was done.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from blb3d.accounts.actor import actor_of
from blb3d.accounts.models import User
from blb3d.core.errors import AlreadyDone, BLB3DError, InvalidValue, NotAllowed, NotFound
from inventory.selectors import find_spool, spool_text
from production import services as production
from production.errors import AlreadyCleared
from production.floor.base import UNPROCESSABLE, act, floor_page, number, show
from production.models import DefectReason, JobPhoto, Printer, PrinterProblem, PrintJob, PrintJobPart
from production.selectors.board import next_jobs, printer_tile, tray_name
from production.selectors.spools import wet_spools
from production.services.problems import WORDS

Status = PrintJob.Status

#: Over: a person counts what lies on the plate.
ENDED = (Status.FINISHED, Status.FAILED, Status.CANCELLED)
#: Slots that are offered even where nothing was ever loaded: one AMS and the spool at the back.
_USUAL_TRAYS = (0, 1, 2, 3, 254)
_SEEN = "Seen at the printer"
VIEW = ("production.view_printer", "production.view_printjob")


def printer_of(key: str) -> Printer:
    """Return the printer with this serial number or name.

    Raises:
        NotFound: there is none.
    """
    printer = Printer.objects.filter(serial=key).first() or Printer.objects.filter(name=key).first()
    if printer is None:
        raise NotFound(f"There is no printer “{key[:80]}”.", details={"printer": key[:80]})
    return printer


def page_of(printer: Printer) -> str:
    """Return the address of a printer's page."""
    return reverse("floor:printer", args=[printer.serial])


@require_GET
@floor_page(*VIEW)
def machine(request: HttpRequest, key: str) -> HttpResponse:
    """One printer and what can be done at it now."""
    return machine_page(request, printer_of(key))


@require_GET
@floor_page(*VIEW)
def now(request: HttpRequest, key: str) -> HttpResponse:
    """What the printer does now: the part of its page that is asked for again and again."""
    response = show(request, "floor/parts/now.html", {"tile": printer_tile(printer_of(key))})
    response["Cache-Control"] = "private, no-store"
    return response


def machine_page(
    request: HttpRequest, printer: Printer, *, act_name: str = "", error: BLB3DError | None = None
) -> HttpResponse:
    """Return a printer's page; a form that was refused stays open with what was typed and why it was refused."""
    tile = printer_tile(printer)
    job = tile.job
    user = actor_of(request)
    to_clear = [*([job] if job and job.status in ENDED else []), *tile.to_count]
    plates = _plates(to_clear)
    context = {
        "tile": tile,
        "printer": tile.printer,
        "job": job,
        "plates": plates,
        "has_one_plate": len(plates) == 1,
        "defects": _defects() if plates else [],
        "is_unknown": job is not None and job.status == Status.UNKNOWN,
        "can_pause": job is not None and job.status == Status.PRINTING and job.cancel_requested_at is None,
        "can_resume": job is not None and job.status == Status.PAUSED,
        "can_stop": job is not None
        and job.status in (Status.SENT, Status.PRINTING, Status.PAUSED)
        and job.cancel_requested_at is None,
        "is_by_hand": printer.write_access == Printer.WriteAccess.NO,
        "next_jobs": next_jobs(tile.printer) if job is None and _may(user, "dispatch_printjob") else [],
        "trays": _trays(tile),
        "is_kept_out": any(problem.took_out_of_service for problem in tile.problems),
        "words": WORDS,
        "photo_kinds": [JobPhoto.Kind.FIRST_LAYER, JobPhoto.Kind.FINISH],
        "photos": list(job.photos.select_related("taken_by").order_by("-id")[:6]) if job else [],
        "last_cleared": _last_cleared(tile.printer) if job is None else None,
        "may": {name: _may(user, name) for name in _ACTS},
        "failed_act": act_name,
        "error": error,
        "typed": request.POST if error is not None else {},
        "nav": "machine",
    }
    status = 200 if error is None else UNPROCESSABLE
    response = show(request, "floor/machine.html", context, status=status)
    response["Cache-Control"] = "private, no-store"
    return response


#: What a person may do at a machine, by the permission's codename.
_ACTS = (
    "clear_printjob",
    "decide_printjob",
    "pause_printjob",
    "resume_printjob",
    "cancel_printjob",
    "dispatch_printjob",
    "change_printjob",
    "change_printer",
    "add_printerproblem",
    "resolve_printerproblem",
    "add_jobphoto",
)


def _may(user: User, codename: str) -> bool:
    return user.has_perm(f"production.{codename}")


def _defects() -> list[DefectReason]:
    stages = (DefectReason.Stage.PRINT, DefectReason.Stage.ANY)
    return list(DefectReason.objects.filter(is_active=True, stage__in=stages).order_by("position", "name")[:12])


def _plates(jobs: list[PrintJob]) -> list[dict[str, Any]]:
    """Return what lies on the plate, or in the bin, to be counted: each job with its parts."""
    parts = PrintJobPart.objects.select_related("production_order__product").order_by("id")
    rows = PrintJob.objects.filter(pk__in=[job.pk for job in jobs]).select_related("plate__product")
    plates = []
    for job in rows.prefetch_related(Prefetch("parts", parts)).order_by("id"):
        own = list(job.parts.all())
        began = job.started_at is not None
        plates.append(
            {
                "job": job,
                "parts": own,
                "planned": sum(part.planned for part in own),
                "is_good": job.status == Status.FINISHED,
                "began": began,
            }
        )
    return plates


def _trays(tile: Any) -> list[dict[str, Any]]:
    loaded = {slot.tray: slot for slot in tile.slots}
    known = set(tile.printer.slots.values_list("tray", flat=True))
    wet = wet_spools(tile.printer)
    return [
        {
            "tray": tray,
            "name": tray_name(tray),
            "slot": loaded.get(tray),
            "must_dry": tray in loaded and loaded[tray].spool in wet,
        }
        for tray in sorted({*_USUAL_TRAYS, *loaded, *known})
    ]


def _last_cleared(printer: Printer) -> PrintJob | None:
    rows = PrintJob.objects.filter(printer=printer, cleared_at__isnull=False)
    return rows.select_related("cleared_by", "plate__product").order_by("-cleared_at").first()


# --- acts ------------------------------------------------------------------------------------------------------------

Do = Callable[[User, Printer], str]


def _at_machine(request: HttpRequest, key: str, permission: str, name: str, do: Do) -> HttpResponseBase:
    """Carry out an act at a printer once, and show its page; a refusal keeps what was typed."""
    printer = printer_of(key)
    if not _may(actor_of(request), permission):
        raise NotAllowed
    try:
        return act(request, page_of(printer), lambda actor: do(actor, printer))
    except BLB3DError as error:
        return machine_page(request, printer_of(printer.serial), act_name=name, error=error)


def _job_at(printer: Printer, pk: int) -> PrintJob:
    job = PrintJob.objects.filter(pk=pk, printer=printer).select_related("plate__product").first()
    if job is None:
        raise NotFound("This job is not at this printer any more.")
    return job


@require_POST
@floor_page(*VIEW)
def clear(request: HttpRequest, key: str, pk: int) -> HttpResponseBase:
    """Count a plate and give the printer free; ``all=good`` counts the whole plate by one tap."""

    def do(actor: User, printer: Printer) -> str:
        job = _job_at(printer, pk)
        counts = _counts(request, job)
        try:
            production.clear_plate(job, counts, actor=actor, requeue_missing=request.POST.get("missing") != "leave")
        except AlreadyCleared as error:
            raise AlreadyCleared(cleared_words(job, actor), details=error.details) from error
        defect = next((count.defect for count in counts if count.defect is not None), None)
        if defect is not None and job.status in (Status.FAILED, Status.CANCELLED):
            production.classify_failure(job, defect=defect, actor=actor)
        good, scrap = sum(count.good for count in counts), sum(count.scrap for count in counts)
        return f"Cleared: {_counted(good, scrap)}. {printer.name} is free for the next job."

    return _at_machine(request, key, "clear_printjob", f"clear-{pk}", do)


def _counts(request: HttpRequest, job: PrintJob) -> list[production.PlateCount]:
    every = request.POST.get("all", "")
    defects = {row.code: row for row in DefectReason.objects.all()}
    counts = []
    for part in job.parts.order_by("id"):
        order = part.production_order_id
        chosen = defects.get(request.POST.get(f"defect_{order}", "") or request.POST.get("defect", ""))
        if every == "good":
            counts.append(production.PlateCount(order, part.planned))
            continue
        if every == "none":
            good, scrap = 0, 0
        else:
            good, scrap = number(request, f"good_{order}"), number(request, f"scrap_{order}", 0)
        note = " ".join(request.POST.get(f"why_{order}", "").split())[:200]
        reason = note or (chosen.name if chosen and scrap else "")
        counts.append(production.PlateCount(order, good, scrap, reason, chosen if scrap or not good else None))
    return counts


def _counted(good: int, scrap: int) -> str:
    return f"{good} good, {scrap} scrap" if scrap else f"{good} good"


def cleared_words(job: PrintJob, actor: User) -> str:
    """Say when and by whom a plate was cleared, and what was counted."""
    row = PrintJob.objects.select_related("cleared_by").get(pk=job.pk)
    parts = list(row.parts.all())
    who = "you" if row.cleared_by_id == actor.pk else str(row.cleared_by)
    at = timezone.localtime(row.cleared_at)
    counted = _counted(sum(part.good for part in parts), sum(part.scrap for part in parts))
    return f"Already cleared at {at:%H:%M} by {who}: {counted}. Nothing was changed."


@require_POST
@floor_page(*VIEW)
def decide(request: HttpRequest, key: str, pk: int) -> HttpResponseBase:
    """Say how a job ended that nobody saw end."""

    def do(actor: User, printer: Printer) -> str:
        job = _job_at(printer, pk)
        outcome = request.POST.get("outcome", "")
        reason = " ".join(request.POST.get("reason", "").split()) or _SEEN
        if job.status in ENDED:
            raise AlreadyDone(f"It is known by now how {job.code} ended: {job.get_status_display()}.")
        production.decide_job(job, outcome=outcome, reason=reason, actor=actor)
        return f"{job.code}: {job.get_status_display()}. Now count its plate."

    return _at_machine(request, key, "decide_printjob", "decide", do)


@require_POST
@floor_page(*VIEW)
def command(request: HttpRequest, key: str, pk: int, what: str) -> HttpResponseBase:
    """Ask the machine to pause, go on, or stop for good."""
    asks = {
        "pause": (production.request_pause, "pause_printjob", "is asked to pause"),
        "resume": (production.request_resume, "resume_printjob", "is asked to go on"),
        "stop": (production.request_cancel, "cancel_printjob", "is asked to stop"),
    }
    if what not in asks:
        raise NotFound
    request_it, permission, words = asks[what]

    def do(actor: User, printer: Printer) -> str:
        reason = " ".join(request.POST.get("reason", "").split()) or "Asked for at the printer"
        request_it(_job_at(printer, pk), actor=actor, reason=reason)
        return f"{printer.name} {words}."

    return _at_machine(request, key, permission, what, do)


@require_POST
@floor_page(*VIEW)
def start(request: HttpRequest, key: str) -> HttpResponseBase:
    """Send a waiting job to the printer, or note that a person started it at a machine that takes no commands."""
    by_hand = request.POST.get("by_hand") == "1"

    def do(actor: User, printer: Printer) -> str:
        job = PrintJob.objects.filter(pk=number(request, "job")).select_related("plate__product").first()
        if job is None:
            raise NotFound("There is no such job any more.")
        if not by_hand:
            production.dispatch_job(job, printer, actor=actor)
            return f"{job.code} is on its way to {printer.name}."
        production.start_by_hand(job, printer, actor=actor)
        return f"Noted: {printer.name} prints {job.code}."

    return _at_machine(request, key, "change_printjob" if by_hand else "dispatch_printjob", "start", do)


@require_POST
@floor_page(*VIEW)
def load(request: HttpRequest, key: str) -> HttpResponseBase:
    """Hang a spool into a slot by its label; without a label the slot is noted as empty."""

    def do(actor: User, printer: Printer) -> str:
        tray = number(request, "tray")
        if tray > 255:
            raise InvalidValue("There is no such slot.", details={"field": "tray"})
        scanned = request.POST.get("spool", "").strip()
        if request.POST.get("empty") == "1":
            production.load_slot(printer, tray=tray, actor=actor)
            return f"{tray_name(tray)} of {printer.name} is empty."
        if not scanned:
            raise InvalidValue("Scan or type the label of the spool.", details={"field": "spool"})
        spool = find_spool(scanned)
        if spool is None:
            raise NotFound(f"There is no spool “{spool_text(scanned)[:60]}”.", details={"field": "spool"})
        production.load_spool(printer, spool, tray=tray, actor=actor)
        left = f"{spool.remaining_grams:.0f} g left"
        return f"{spool.label} ({spool.lot.product.name}, {left}) hangs in {tray_name(tray)} of {printer.name}."

    return _at_machine(request, key, "change_printer", "load", do)


@require_POST
@floor_page(*VIEW)
def foreign(request: HttpRequest, key: str) -> HttpResponseBase:
    """Note that a print that was not sent from here was taken off."""

    def do(actor: User, printer: Printer) -> str:
        production.clear_foreign_print(printer, actor=actor)
        return f"The plate of {printer.name} is empty."

    return _at_machine(request, key, "clear_printjob", "foreign", do)


@require_POST
@floor_page(*VIEW)
def report(request: HttpRequest, key: str) -> HttpResponseBase:
    """Report a problem, with a photo where there is one; on demand the printer goes out of service."""

    def do(actor: User, printer: Printer) -> str:
        said = [request.POST.get("word", ""), request.POST.get("text", "")]
        problem = production.report_problem(
            printer,
            text=": ".join(words.strip() for words in said if words.strip()),
            photo=request.FILES.get("photo"),
            out_of_service=request.POST.get("out_of_service") == "1",
            job=_present_job(printer),
            actor=actor,
        )
        out = f" {printer.name} is out of service." if problem.took_out_of_service else ""
        return f"Reported: {problem.text}.{out}"

    return _at_machine(request, key, "add_printerproblem", "report", do)


def _present_job(printer: Printer) -> PrintJob | None:
    rows = PrintJob.objects.filter(printer=printer, cleared_at__isnull=True, sent_at__isnull=False)
    return rows.order_by("-id").first()


@require_POST
@floor_page(*VIEW)
def resolve(request: HttpRequest, key: str, pk: int) -> HttpResponseBase:
    """Say what was done about a problem; the printer goes back into service where the problem took it out."""

    def do(actor: User, printer: Printer) -> str:
        problem = PrinterProblem.objects.filter(pk=pk, printer=printer).first()
        if problem is None:
            raise NotFound
        production.resolve_problem(problem, resolution=request.POST.get("resolution", ""), actor=actor)
        printer.refresh_from_db()
        back = f" {printer.name} is in service." if printer.is_active else f" {printer.name} stays out of service."
        return f"Solved: {problem.text}.{back}"

    return _at_machine(request, key, "resolve_printerproblem", f"resolve-{pk}", do)


@require_POST
@floor_page(*VIEW)
def in_service(request: HttpRequest, key: str) -> HttpResponseBase:
    """Put a printer back into service."""

    def do(actor: User, printer: Printer) -> str:
        production.put_in_service(printer, actor=actor)
        return f"{printer.name} takes jobs again."

    return _at_machine(request, key, "change_printer", "in-service", do)


@require_POST
@floor_page(*VIEW)
def photo(request: HttpRequest, key: str, pk: int) -> HttpResponseBase:
    """Keep a photo of the first layer or of the finished plate."""

    def do(actor: User, printer: Printer) -> str:
        image = request.FILES.get("photo")
        if image is None:
            raise InvalidValue("Take or choose a photo first.", details={"field": "photo"})
        kind = request.POST.get("kind", JobPhoto.Kind.FINISH)
        kept = production.add_job_photo(_job_at(printer, pk), image, kind=kind, actor=actor)
        return f"Photo kept: {kept.get_kind_display()}."

    return _at_machine(request, key, "add_jobphoto", "photo", do)


def grams(request: HttpRequest, name: str) -> Decimal | None:
    """Return a weight that was typed, with a comma or a point; None where nothing was.

    Raises:
        InvalidValue: it is not a number.
    """
    text = request.POST.get(name, "").strip().replace(",", ".")
    if not text:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise InvalidValue(f"“{text[:20]}” is not a weight.", details={"field": name}) from error
    if not value.is_finite():
        raise InvalidValue(f"“{text[:20]}” is not a weight.", details={"field": name})
    return value
