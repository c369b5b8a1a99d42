"""Making print files: a task for every plate and printer model without one, worked off one by one.

What the slicer makes waits for its release by a person. Where that slicer is a person, the task does. A worker that
dies gives its task back when its claim ends; the result and the task's end are one transaction, so that nothing is
there twice.
"""

from __future__ import annotations

import logging

from celery import current_app
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.module_loading import import_string

from blb3d.accounts.models import User
from blb3d.core.errors import BLB3DError
from blb3d.core.outbox import NUDGE_SECONDS, OutboxEvent, subscribes
from blb3d.core.work import MAX_ATTEMPTS, WorkStatus
from integrations import services as integrations
from integrations.mixing import mixed_request
from integrations.models import SliceTask
from integrations.slicers.errors import NoPrinterTakesIt
from integrations.slicers.plates import request_for
from inventory import services as inventory
from inventory.models import PrintFile, ProductPlate
from production.models import Printer
from production.ports import Slicer, SliceResult

log = logging.getLogger(__name__)


# --- what is sliced ------------------------------------------------------------------------------------------------


@subscribes("production.print_file_needed")
def plan_needed_slices(event: OutboxEvent) -> None:
    """Queue a plate that an order waits for, for every model that has no file of it yet and waits for no person.

    Raises:
        NoPrinterTakesIt: there are printers, and none is for this plate; staff replay it once there is one.
    """
    plate = ProductPlate.objects.select_related("product").get(pk=event.payload["plate_id"])
    if not plate.is_active:
        return
    if not models_for(plate) and Printer.objects.filter(is_active=True).exists():
        raise NoPrinterTakesIt(f"No printer in service takes {plate.product.sku}, {plate}.")
    by_hand = SliceTask.objects.filter(plate=plate, status=WorkStatus.DEAD).values_list("printer_model", flat=True)
    models = set(models_without_file(plate)) - set(by_hand)
    integrations.ask_for_slices(plate, sorted(models), actor=User.objects.system("slicer"))
    nudge()


@subscribes("inventory.print_file_asked")
def plan_asked_slices(event: OutboxEvent) -> None:
    """Queue a plate that a person wants sliced, for the model that was named or for all that it fits."""
    plate = ProductPlate.objects.get(pk=event.payload["plate_id"])
    named = event.payload["printer_model"]
    models = [named] if named else models_for(plate)
    person = User.objects.get(pk=event.payload["asked_by_id"])
    integrations.ask_for_slices(plate, models, actor=person, reason=event.payload["reason"])
    nudge()


@subscribes("inventory.print_file_released")
def close_answered_slices(event: OutboxEvent) -> None:
    """Ask nobody any more for a file that is there."""
    file = PrintFile.objects.get(pk=event.payload["id"])
    integrations.close_slices(file, actor=User.objects.system("slicer"))


def nudge() -> None:
    """Ask a worker to look for plates after the commit; the beat's own question comes within seconds anyway."""
    if settings.OUTBOX_NUDGE:
        transaction.on_commit(_nudge, robust=True)


def _nudge() -> None:
    # By name: tasks stand above this module.
    current_app.send_task("integrations.tasks.slice_plates", expires=NUDGE_SECONDS)


def models_for(plate: ProductPlate) -> list[str]:
    """Return the models of printers in service that the plate fits, by name."""
    size = (plate.bbox_x_mm or 0, plate.bbox_y_mm or 0, plate.bbox_z_mm or 0)
    printers = Printer.objects.filter(
        is_active=True, build_x_mm__gte=size[0], build_y_mm__gte=size[1], build_z_mm__gte=size[2]
    )
    models = set(printers.order_by().values_list("model", flat=True).distinct())
    if plate.printer_models:
        models &= set(plate.printer_models)
    return sorted(models)


def models_without_file(plate: ProductPlate) -> list[str]:
    """Return those of :func:`models_for` that have no print file of the plate."""
    have = PrintFile.objects.filter(plate=plate, withdrawn_at__isnull=True).values_list("printer_model", flat=True)
    return [model for model in models_for(plate) if model not in set(have)]


# --- slicing it ----------------------------------------------------------------------------------------------------


def running_slices() -> int:
    """Return how many tasks workers hold now."""
    now = timezone.now()
    return SliceTask.objects.filter(
        status=WorkStatus.PENDING, started_at__isnull=False, next_attempt_at__gt=now
    ).count()


def due_slices() -> QuerySet[SliceTask]:
    """Return the tasks whose time has come, oldest first."""
    due = SliceTask.objects.filter(status=WorkStatus.PENDING, next_attempt_at__lte=timezone.now())
    return due.select_related("plate__product").order_by("id")


def drain(limit: int = 100) -> int:
    """Slice what is due, oldest first; return how many print files were made."""
    return sum(work(task) for task in due_slices()[:limit])


def work(task: SliceTask) -> bool:
    """Claim one task and slice it; True when its print file is there.

    A partner that is away is asked again later; any other refusal lays the task before a person, and so does an error
    that nobody foresaw, after some tries.
    """
    if not task.claim():
        return False
    if task.attempts > MAX_ATTEMPTS:
        _fail(task, "It was begun too often and never ended: a worker may have died of it.", code="", transient=False)
        return False
    _tell(task, 5, "reading the model", started_at=timezone.now())
    try:
        with task.kept():
            result = _slice(task)
            _tell(task, 90, "keeping the print file")
            return _keep(task, result)
    except BLB3DError as error:
        log.warning("%s was not sliced: %s", task, error)
        _fail(task, error.message, code=error.code, transient=error.transient)
    except Exception as error:
        log.exception("%s was not sliced", task)
        _fail(task, f"{type(error).__name__}: {error}", code="", transient=True)
    return False


def _slice(task: SliceTask) -> SliceResult:
    ask = mixed_request if task.plate.is_mixed else request_for
    request = ask(task.plate, task.printer_model)
    slicer: Slicer = import_string(settings.SLICER_BACKEND)()  # type: ignore[misc]
    _tell(task, 20, f"slicing for {task.printer_model}")
    return slicer.slice(request)


def _keep(task: SliceTask, result: SliceResult) -> bool:
    with transaction.atomic():
        # The mark first: it locks the row, so that a second worker whose claim overlapped waits here and then finds
        # the work done.
        if not task.finish():
            return False
        file = inventory.attach_print_file(
            task.plate,
            printer_model=task.printer_model,
            content=result.content,
            file_name=result.file_name,
            minutes=result.minutes,
            grams=result.grams,
            sliced_by=result.sliced_by,
            filaments=result.filaments,
            layers=result.layers,
            warnings=result.warnings,
            actor=User.objects.system("slicer"),
        )
        integrations.keep_result(task, file)
    return True


def _tell(task: SliceTask, percent: int, text: str, **fields: object) -> None:
    """Write how far this claim is; a worker that lost its claim tells nothing."""
    SliceTask.objects.filter(pk=task.pk, status=WorkStatus.PENDING, attempts=task.attempts).update(
        progress_percent=percent, progress_text=text, **fields
    )


def _fail(task: SliceTask, error: str, *, code: str, transient: bool) -> None:
    _tell(task, 0, "", started_at=None, error_code=code)
    task.fail(error, transient=transient)
