"""Slicing as work: asked for, tried again, done by hand, let be."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from django.conf import settings
from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.errors import InvalidTransition, ReasonRequired
from blb3d.core.verbs import verb
from blb3d.core.work import WorkStatus
from integrations.models import SliceTask
from integrations.slicers.errors import UnusablePackage, WithdrawnBefore
from integrations.slicers.package import read_sliced_package
from inventory import services as inventory
from inventory.models import PrintFile, ProductPlate

Status = WorkStatus


@verb
def ask_for_slices(
    plate: ProductPlate, printer_models: Iterable[str], *, actor: User, reason: str = ""
) -> list[SliceTask]:
    """Queue a plate for slicing, once per printer model; one that is queued already stays as it is.

    The new task stands for those of the same kind that wait for a person.
    """
    asked = {"asked_by": actor, "reason": reason.strip()[:300]}
    tasks = [
        SliceTask.objects.get_or_create(plate=plate, printer_model=model, status=Status.PENDING, defaults=asked)[0]
        for model in printer_models
    ]
    before = SliceTask.objects.filter(plate=plate, printer_model__in=[task.printer_model for task in tasks])
    before.filter(status=Status.DEAD).update(status=Status.IGNORED)
    return tasks


@verb
def retry_slice(task: SliceTask, *, actor: User) -> SliceTask:
    """Put a task that needs a person back into the queue; where the same is queued already, that one is returned."""
    if task.status != Status.DEAD:
        return task
    other = SliceTask.objects.filter(plate=task.plate, printer_model=task.printer_model, status=Status.PENDING).first()
    if other is not None:
        return other
    task.replay()
    SliceTask.objects.filter(pk=task.pk).update(error_code="", last_error="", progress_percent=0, progress_text="")
    task.refresh_from_db()
    return task


@verb
def drop_slice(task: SliceTask, *, actor: User, reason: str) -> SliceTask:
    """Take a task out of the queue: this printer model needs no file of the plate.

    Raises:
        ReasonRequired: no reason is given.
        InvalidTransition: it is done.
    """
    if not reason.strip():
        raise ReasonRequired(details={"step": "drop"})
    dropped = SliceTask.objects.filter(pk=task.pk, status__in=[Status.PENDING, Status.DEAD]).update(
        status=Status.IGNORED, finished_at=timezone.now(), last_error=f"{actor}: {reason.strip()}", started_at=None
    )
    if not dropped:
        raise InvalidTransition("This was sliced already.", details={"id": task.pk})
    task.refresh_from_db()
    return task


@verb
def upload_slice(task: SliceTask, *, content: bytes, file_name: str, actor: User) -> PrintFile:
    """Keep a package that a person sliced as the task's result: minutes, grams and layers are read from it.

    Raises:
        UnusablePackage: it is no sliced package, was sliced for another printer model, or moves nothing.
        InvalidTransition: the task is done.
    """
    package = read_sliced_package(content, printer_model=task.printer_model)
    if package.is_simulated and not settings.DEMO:  # type: ignore[misc]
        raise UnusablePackage("The simulated slicer made it: only simulated printers take it.")
    closed = SliceTask.objects.filter(pk=task.pk, status__in=[Status.PENDING, Status.DEAD]).update(
        status=Status.DONE, finished_at=timezone.now(), last_error="", error_code=""
    )
    if not closed:
        raise InvalidTransition("This was sliced already.", details={"id": task.pk})
    file = inventory.attach_print_file(
        task.plate,
        printer_model=task.printer_model,
        content=content,
        file_name=file_name,
        minutes=package.minutes,
        grams=sum((filament.grams for filament in package.filaments), Decimal(0)),
        sliced_by=f"{package.sliced_by}, uploaded by {actor}"[:120],
        filaments=package.filaments,
        layers=package.layers,
        actor=actor,
    )
    return keep_result(task, file)


def keep_result(task: SliceTask, file: PrintFile) -> PrintFile:
    """Write a task's print file down, in the transaction that closed the task.

    Raises:
        WithdrawnBefore: the very same file was withdrawn; nothing would come of it.
    """
    if file.withdrawn_at is not None:
        raise WithdrawnBefore(details={"print_file": file.pk})
    SliceTask.objects.filter(pk=task.pk).update(print_file=file, progress_percent=100, progress_text="")
    task.refresh_from_db()
    return file


@verb
def close_slices(file: PrintFile, *, actor: User) -> int:
    """Close what still asked for the print file that was released; return how many tasks.

    A plate that people slice waits for one file, whichever printer model it is for.
    """
    waiting = SliceTask.objects.filter(plate=file.plate_id, status=Status.DEAD)
    same = waiting.filter(printer_model=file.printer_model)
    closed = same.update(status=Status.DONE, print_file=file, finished_at=timezone.now())
    by_hand = waiting.filter(error_code="SLICE_001")
    return closed + by_hand.update(
        status=Status.IGNORED, finished_at=timezone.now(), last_error="Another file is there."
    )
