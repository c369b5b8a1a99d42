"""`/dispatch`: what a person may send or start now, so many copies in one go; `/printer-services`: what falls due."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from blb3d.core.api.idempotency import idempotent
from blb3d.core.api.permissions import requires
from blb3d.core.api.serializers import ErrorSerializer, StrictSerializer
from blb3d.core.errors import InvalidValue, NotFound
from inventory.models import Product
from production import services as production
from production.api.base import acting_user, by_key
from production.models import Printer, PrinterGroup, PrintJob, ProductionOrder, ServicePlan, ServiceRecord
from production.selectors.fleet import dispatch_suggestions, hand_starts
from production.selectors.upkeep import service_states


class SuggestionSerializer(serializers.Serializer[Any]):
    job_id = serializers.IntegerField(source="job.pk")
    job = serializers.CharField(source="job.code")
    production_order = serializers.CharField(source="job.production_order.code")
    sku = serializers.CharField(source="job.plate.product.sku")
    priority = serializers.IntegerField(source="job.priority")
    estimated_time_minutes = serializers.DecimalField(
        max_digits=10, decimal_places=2, source="job.estimated_time_minutes"
    )
    printer_id = serializers.IntegerField(source="printer.pk")
    printer = serializers.CharField(source="printer.name")


class SuggestionsSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField()
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
    results = SuggestionSerializer(many=True)


class ConfirmSerializer(StrictSerializer):
    """One suggested job by id or code, or nothing for all that is suggested."""

    job = serializers.CharField(max_length=30, required=False)


class RefusedSerializer(serializers.Serializer[Any]):
    job = serializers.CharField()
    error_code = serializers.CharField()
    message = serializers.CharField()


class ConfirmedSerializer(serializers.Serializer[Any]):
    sent = serializers.ListField(child=serializers.CharField(), help_text="Codes of the jobs that were sent.")
    refused = RefusedSerializer(many=True)


class HandStartSerializer(serializers.Serializer[Any]):
    job_id = serializers.IntegerField(source="job.pk")
    job = serializers.CharField(source="job.code")
    sku = serializers.CharField(source="job.plate.product.sku")
    priority = serializers.IntegerField(source="job.priority")
    printer_id = serializers.IntegerField(source="printer.pk")
    printer = serializers.CharField(source="printer.name")
    file_name = serializers.CharField(help_text="Print it under this name: by it the job is recognised.")
    print_file_id = serializers.IntegerField()
    is_heard = serializers.BooleanField(help_text="False: the printer is silent, see whether it is free.")


class HandStartsSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField()
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
    results = HandStartSerializer(many=True)


class CopiesSerializer(StrictSerializer):
    """So many copies of a product, by id or SKU, on the printers of a group, by id or name."""

    product_id = serializers.IntegerField(required=False)
    sku = serializers.CharField(max_length=60, required=False)
    copies = serializers.IntegerField(min_value=1, max_value=1_000_000)
    printer_group = serializers.CharField(max_length=60, required=False, allow_null=True)
    priority = serializers.ChoiceField(choices=ProductionOrder.Priority.choices, required=False)
    due_date = serializers.DateField(required=False, allow_null=True)
    notes = serializers.CharField(max_length=4000, required=False, allow_blank=True)


class CopiesMadeSerializer(serializers.ModelSerializer[ProductionOrder]):
    printer_group = serializers.CharField(source="printer_group.name", default=None)
    print_jobs = serializers.SlugRelatedField[PrintJob](slug_field="code", many=True, read_only=True)

    class Meta:
        model = ProductionOrder
        fields = ("id", "code", "quantity", "status", "priority", "due_date", "printer_group", "print_jobs", "version")


class RestrictSerializer(StrictSerializer):
    """A production order or a waiting job, by id or code, and the group of printers, by id or name; null lets go."""

    production_order = serializers.CharField(max_length=30, required=False)
    job = serializers.CharField(max_length=30, required=False)
    printer_group = serializers.CharField(max_length=60, allow_null=True)
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")


class RestrictedSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    printer_group = serializers.CharField(allow_null=True)


class MixSerializer(StrictSerializer):
    """Waiting jobs of different products, by id or code."""

    jobs = serializers.ListField(child=serializers.CharField(max_length=30), min_length=2, max_length=50)


class MixedSerializer(serializers.Serializer[Any]):
    job = serializers.CharField(help_text="The job of the mixed plate; it waits for its print file.")
    plate_id = serializers.IntegerField()
    printer_models = serializers.ListField(child=serializers.CharField(), help_text="Empty: every model.")


class UnmixSerializer(StrictSerializer):
    job = serializers.CharField(max_length=30)
    reason = serializers.CharField(max_length=500)


class UnmixedSerializer(serializers.Serializer[Any]):
    jobs = serializers.ListField(child=serializers.CharField())


class ServiceStateSerializer(serializers.Serializer[Any]):
    plan_id = serializers.IntegerField()
    task = serializers.CharField()
    printer_id = serializers.IntegerField()
    printer = serializers.CharField()
    is_due = serializers.BooleanField(help_text="From 90 % of its interval on.")
    is_overdue = serializers.BooleanField()
    blocks_printer = serializers.BooleanField(help_text="Overdue, it keeps the printer from taking jobs.")
    hours_left = serializers.DecimalField(max_digits=14, decimal_places=2, allow_null=True)
    jobs_left = serializers.IntegerField(allow_null=True)
    days_left = serializers.IntegerField(allow_null=True)
    last_done_at = serializers.DateTimeField(allow_null=True)


class ServiceStatesSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField()
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
    results = ServiceStateSerializer(many=True)


class ServiceDoneSerializer(StrictSerializer):
    printer_id = serializers.IntegerField()
    plan_id = serializers.IntegerField(required=False, allow_null=True)
    task = serializers.CharField(max_length=200, required=False, allow_blank=True, default="")
    note = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")


class ServiceRecordSerializer(serializers.ModelSerializer[ServiceRecord]):
    class Meta:
        model = ServiceRecord
        fields = ("id", "printer_id", "plan_id", "task", "note", "printed_minutes", "jobs_done", "done_at")


def _valid(serializer_class: type[StrictSerializer], request: Request) -> dict[str, Any]:
    serializer = serializer_class(data=request.data)
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data


def _listed(rows: Any) -> Response:
    return Response({"count": len(rows), "next": None, "previous": None, "results": rows})


class SuggestionsView(APIView):
    """Jobs that wait for a person's word, with the printer that each should go to."""

    def get_permissions(self) -> list[BasePermission]:
        return [requires(f"production.{'view' if self.request.method == 'GET' else 'dispatch'}_printjob")()]

    @extend_schema(operation_id="dispatch_suggestions", responses=SuggestionsSerializer)
    def get(self, request: Request, **_: Any) -> Response:
        """Return what should be sent now where dispatch is not automatic, the most urgent first."""
        rows = [{"job": job, "printer": printer} for job, printer in dispatch_suggestions()]
        return _listed(SuggestionSerializer(rows, many=True).data)

    @extend_schema(
        operation_id="dispatch_suggestions_confirm",
        request=ConfirmSerializer,
        responses={200: ConfirmedSerializer, 404: ErrorSerializer, 409: ErrorSerializer},
    )
    def post(self, request: Request, **_: Any) -> Response:
        """Send what is suggested, or one job of it; a refusal stops no other."""
        key = _valid(ConfirmSerializer, request).get("job")
        job = None if key is None else _job(key)
        confirmed = production.confirm_suggestions(job=job, actor=acting_user(request))
        refused = [
            {"job": code, "error_code": error.code, "message": error.message}
            for code, error in confirmed.refused.items()
        ]
        return Response({"sent": [sent.code for sent in confirmed.sent], "refused": refused})


class WorkListView(APIView):
    """What people start at printers that take no commands."""

    permission_classes = (requires("production.view_printjob"),)

    @extend_schema(
        operation_id="dispatch_work_list",
        parameters=[OpenApiParameter("printer", int, description="Only of this printer, by id.")],
        responses=HandStartsSerializer,
    )
    def get(self, request: Request, **_: Any) -> Response:
        """Return which file to start at which printer, the most urgent first."""
        named = request.query_params.get("printer", "")
        if named and not (named.isdecimal() and len(named) < 19):
            raise InvalidValue("The printer is named by its id.", details={"field": "printer"})
        return _listed(HandStartSerializer(hand_starts(printer_id=int(named) if named else None), many=True).data)


class CopiesView(APIView):
    """Printing for the shelf in one go."""

    permission_classes = (requires("production.queue_productionorder"),)

    @extend_schema(
        operation_id="dispatch_copies",
        request=CopiesSerializer,
        responses={201: CopiesMadeSerializer, 400: ErrorSerializer, 404: ErrorSerializer, 409: ErrorSerializer},
    )
    @idempotent()
    def post(self, request: Request, **_: Any) -> Response:
        """Plan, confirm and queue so many copies, on the printers of a group if one is named."""
        given = _valid(CopiesSerializer, request)
        wanted = {"pk": given.pop("product_id", None), "sku": given.pop("sku", "").strip().upper() or None}
        wanted = {field: value for field, value in wanted.items() if value is not None}
        product = Product.objects.filter(**wanted).first() if wanted else None
        if product is None:
            raise InvalidValue("Please name a product by product_id or sku.", details={"fields": ["product_id", "sku"]})
        group = _group(given.pop("printer_group", None))
        order = production.print_copies(product, group=group, actor=acting_user(request), **given)
        made = ProductionOrder.objects.select_related("printer_group").prefetch_related("print_jobs").get(pk=order.pk)
        return Response(CopiesMadeSerializer(made).data, status=status.HTTP_201_CREATED)


def _group(key: str | None) -> PrinterGroup | None:
    if key is None:
        return None
    group: PrinterGroup | None = by_key(PrinterGroup.objects.all(), key, ("name", "pk"))
    if group is None:
        raise NotFound("There is no such group of printers.", details={"printer_group": key})
    return group


class RestrictView(APIView):
    """Keeping work to a group of printers."""

    permission_classes = (requires("production.change_productionorder"),)

    @extend_schema(
        operation_id="dispatch_restrict",
        request=RestrictSerializer,
        responses={200: RestrictedSerializer, 400: ErrorSerializer, 404: ErrorSerializer, 409: ErrorSerializer},
    )
    def post(self, request: Request, **_: Any) -> Response:
        """Keep a production order, or one waiting job, to the printers of a group."""
        given, actor = _valid(RestrictSerializer, request), acting_user(request)
        group = _group(given["printer_group"])
        if ("job" in given) == ("production_order" in given):
            raise InvalidValue("Name a production_order or a job.", details={"fields": ["production_order", "job"]})
        kept: PrintJob | ProductionOrder
        if "job" in given:
            kept = production.restrict_job(_job(given["job"]), group=group, reason=given["reason"], actor=actor)
        else:
            order = by_key(ProductionOrder.objects.all(), given["production_order"], ("pk", "code"))
            if order is None:
                raise NotFound("There is no such production order.", details=given)
            kept = production.restrict_order(order, group=group, reason=given["reason"], actor=actor)
        return Response({"code": kept.code, "printer_group": kept.printer_group.name if kept.printer_group else None})


def _job(key: str) -> PrintJob:
    job = by_key(PrintJob.objects.all(), key, ("pk", "code"))
    if job is None:
        raise NotFound("There is no such print job.", details={"job": key})
    return job


class MixView(APIView):
    """Parts of different products on one plate."""

    permission_classes = (requires("production.dispatch_printjob"),)

    @extend_schema(
        operation_id="dispatch_mix",
        request=MixSerializer,
        responses={201: MixedSerializer, 404: ErrorSerializer, 409: ErrorSerializer},
    )
    @idempotent()
    def post(self, request: Request, **_: Any) -> Response:
        """Put the parts of waiting jobs on one plate of their own, which is sliced and then released by a person."""
        jobs = [_job(key) for key in _valid(MixSerializer, request)["jobs"]]
        job = production.mix_jobs(jobs, actor=acting_user(request))
        made = {"job": job.code, "plate_id": job.plate_id, "printer_models": job.plate.printer_models}
        return Response(made, status=status.HTTP_201_CREATED)


class UnmixView(APIView):
    """Giving up a mixed plate."""

    permission_classes = (requires("production.dispatch_printjob"),)

    @extend_schema(
        operation_id="dispatch_unmix",
        request=UnmixSerializer,
        responses={200: UnmixedSerializer, 404: ErrorSerializer, 409: ErrorSerializer},
    )
    def post(self, request: Request, **_: Any) -> Response:
        """Give up a mixed plate that was not sent: its parts go back to the plates of their own products."""
        given = _valid(UnmixSerializer, request)
        jobs = production.unmix_job(_job(given["job"]), reason=given["reason"], actor=acting_user(request))
        return Response({"jobs": [job.code for job in jobs]})


class PrinterServicesView(APIView):
    """The services that printers need."""

    def get_permissions(self) -> list[BasePermission]:
        return [requires(f"production.{'view' if self.request.method == 'GET' else 'change'}_printer")()]

    @extend_schema(
        operation_id="printer_services",
        parameters=[OpenApiParameter("due", bool, description="Only what is due or overdue.")],
        responses=ServiceStatesSerializer,
    )
    def get(self, request: Request, **_: Any) -> Response:
        """Return every service of every printer with what is left of its interval, the most urgent first."""
        only_due = request.query_params.get("due", "").lower() in {"1", "true", "yes"}
        states = [state for state in service_states() if state.is_due or not only_due]
        return _listed(ServiceStateSerializer(states, many=True).data)

    @extend_schema(
        operation_id="printer_services_record",
        request=ServiceDoneSerializer,
        responses={201: ServiceRecordSerializer, 400: ErrorSerializer, 404: ErrorSerializer},
    )
    @idempotent()
    def post(self, request: Request, **_: Any) -> Response:
        """Note that a service was done now."""
        given = _valid(ServiceDoneSerializer, request)
        printer = Printer.objects.filter(pk=given.pop("printer_id")).first()
        plan_id = given.pop("plan_id", None)
        plan = ServicePlan.objects.filter(pk=plan_id).first() if plan_id is not None else None
        if printer is None or (plan is None and plan_id is not None):
            raise NotFound("There is no such printer or plan.", details={"plan_id": plan_id})
        record = production.record_service(printer, plan=plan, actor=acting_user(request), **given)
        return Response(ServiceRecordSerializer(record).data, status=status.HTTP_201_CREATED)
