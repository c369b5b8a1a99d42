"""`/print-jobs`: what machines say about jobs, and what people ask of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from django.db.models import Prefetch, Q, QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.filters import SearchFilter
from rest_framework.request import Request
from rest_framework.response import Response

from blb3d.core.api.filters import FilterBackend
from blb3d.core.api.idempotency import idempotent
from blb3d.core.api.pagination import CursorPagination
from blb3d.core.api.serializers import ErrorSerializer
from blb3d.core.errors import NotFound
from production import services as production
from production.api.base import DocumentViewSet, acting_user, by_key, job_fields
from production.api.machine import JobPhotos
from production.api.serializers import (
    ClassifySerializer,
    ClearSerializer,
    DecideSerializer,
    DispatchSerializer,
    JobDoneSerializer,
    JobFailedSerializer,
    JobNewsSerializer,
    PrintJobSerializer,
    ProductionReasonSerializer,
)
from production.models import Printer, PrintJob, PrintJobPart
from production.selectors import waiting_reasons
from production.selectors.outlook import planned_jobs

ENDED = (PrintJob.Status.FINISHED, PrintJob.Status.FAILED, PrintJob.Status.CANCELLED)
ANSWERS = {200: PrintJobSerializer, 409: ErrorSerializer}


class PrintJobFilter(filters.FilterSet):
    """By status, printer and order, and whether a person must clear the plate."""

    needs_clearing = filters.BooleanFilter(method="on_the_plate", label="Ended, and its plate is not cleared yet")

    class Meta:
        model = PrintJob
        fields: ClassVar = ["status", "printer", "production_order", "production_order__code", "bambu_job_id"]

    def on_the_plate(self, rows: QuerySet[PrintJob], name: str, wanted: bool) -> QuerySet[PrintJob]:
        waiting = Q(started_at__isnull=False, cleared_at__isnull=True, status__in=ENDED)
        return rows.filter(waiting if wanted else ~waiting)


class PrintJobViewSet(JobPhotos, DocumentViewSet):
    """Print jobs, the latest first; named by id, code or the print suite's `bambu_job_id`."""

    model = PrintJob
    queryset = (
        PrintJob.objects.select_related("production_order", "plate__product", "printer", "defect")
        .prefetch_related(
            Prefetch("parts", PrintJobPart.objects.select_related("production_order", "defect").order_by("id"))
        )
        .order_by("-id")
    )
    serializer_class = PrintJobSerializer
    pagination_class = CursorPagination
    filter_backends: ClassVar = [FilterBackend, SearchFilter]
    filterset_class = PrintJobFilter
    search_fields: ClassVar = ["code", "production_order__code", "plate__product__sku"]
    acts: ClassVar = {
        "partial_update": "change_printjob",
        "complete": "change_printjob",
        "fail": "fail_printjob",
        "pause": "pause_printjob",
        "resume": "resume_printjob",
        "cancel": "cancel_printjob",
        "send": "dispatch_printjob",
        "decide": "decide_printjob",
        "clear": "clear_printjob",
        "add_photo": "add_jobphoto",
        "classify": "fail_printjob",
    }

    def reasons(self, rows: Iterable[PrintJob]) -> dict[int, str]:
        return waiting_reasons(rows)

    def list_context(self, rows: list[Any]) -> dict[str, Any]:
        return {**super().list_context(rows), "planned": planned_jobs([job.pk for job in rows])}

    def find(self, rows: QuerySet[Any], key: str) -> Any:
        return by_key(rows, key, job_fields(self.request.user))

    @extend_schema(request=JobNewsSerializer, responses=ANSWERS)
    def partial_update(self, request: Request, **_: Any) -> Response:
        """Take in what a machine or the print suite says: status, progress, layer, minutes left.

        A status that nobody here knows is kept as a remark on the job for a person.
        """
        job, given = self.current(), self.valid(JobNewsSerializer)
        production.report_job(
            job,
            status=given["status"],
            percent=given.get("progress_percent"),
            layer=given.get("current_layer"),
            total_layers=given.get("total_layers"),
            remaining_minutes=given.get("remaining_time"),
            code=given["error_code"],
            reason=given["reason"],
            actor=acting_user(request),
        )
        return self.answer(job)

    @extend_schema(request=JobDoneSerializer, responses=ANSWERS)
    @action(detail=True, methods=["post"])
    @idempotent()
    def complete(self, request: Request, **_: Any) -> Response:
        """Say that the machine is through; told again, better figures correct the first ones."""
        job, given = self.current(), self.valid(JobDoneSerializer)
        production.report_finished(
            job,
            minutes=given.get("actual_time_minutes"),
            grams=given.get("actual_material_grams"),
            at=given.get("completed_at"),
            actor=acting_user(request),
        )
        return self.answer(job)

    @extend_schema(request=JobFailedSerializer, responses=ANSWERS)
    @action(detail=True, methods=["post"])
    def fail(self, request: Request, **_: Any) -> Response:
        """Say that the job failed."""
        job, given = self.current(), self.valid(JobFailedSerializer)
        production.record_failed(
            job,
            code=given["error_code"],
            text=given["reason"],
            progress_percent=given.get("progress_percent"),
            actor=acting_user(request),
        )
        return self.answer(job)

    @extend_schema(request=ProductionReasonSerializer, responses=ANSWERS)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, **_: Any) -> Response:
        """Ask the printer to pause."""
        job = self.current()
        production.request_pause(job, actor=acting_user(request), **self.valid(ProductionReasonSerializer))
        return self.answer(job)

    @extend_schema(request=ProductionReasonSerializer, responses=ANSWERS)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, **_: Any) -> Response:
        """Ask the printer to go on."""
        job = self.current()
        production.request_resume(job, actor=acting_user(request), **self.valid(ProductionReasonSerializer))
        return self.answer(job)

    @extend_schema(request=ProductionReasonSerializer, responses=ANSWERS)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, **_: Any) -> Response:
        """Cancel a waiting job, or ask the printer to stop."""
        job = self.current()
        production.request_cancel(job, actor=acting_user(request), **self.valid(ProductionReasonSerializer))
        return self.answer(job)

    @extend_schema(request=DispatchSerializer, responses=ANSWERS)
    @action(detail=True, methods=["post"], url_path="dispatch")
    def send(self, request: Request, **_: Any) -> Response:
        """Send the job to a printer."""
        job, given = self.current(), self.valid(DispatchSerializer)
        printer = Printer.objects.filter(pk=given["printer_id"]).first()
        if printer is None:
            raise NotFound("There is no such printer.", details=given)
        production.dispatch_job(job, printer, actor=acting_user(request))
        return self.answer(job)

    @extend_schema(request=DecideSerializer, responses=ANSWERS)
    @action(detail=True, methods=["post"])
    def decide(self, request: Request, **_: Any) -> Response:
        """Say how a job ended that nobody saw end."""
        job = self.current()
        production.decide_job(job, actor=acting_user(request), **self.valid(DecideSerializer))
        return self.answer(job)

    @extend_schema(request=ClassifySerializer, responses=ANSWERS)
    @action(detail=True, methods=["post"])
    def classify(self, request: Request, **_: Any) -> Response:
        """Say why a print failed."""
        job = self.current()
        production.classify_failure(job, actor=acting_user(request), **self.valid(ClassifySerializer))
        return self.answer(job)

    @extend_schema(request=ClearSerializer, responses=ANSWERS)
    @action(detail=True, methods=["post"])
    @idempotent()
    def clear(self, request: Request, **_: Any) -> Response:
        """Count the plate's parts and give the printer free."""
        job, given = self.current(), self.valid(ClearSerializer)
        counts = [production.PlateCount(**count) for count in given["counts"]]
        production.clear_plate(job, counts, requeue_missing=given["requeue_missing"], actor=acting_user(request))
        return self.answer(job)
