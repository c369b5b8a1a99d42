"""What people do at a machine, for programs: `/printers/{id}/load-spool`, problems, photos of prints, `/spools`."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet, ReadOnlyModelViewSet

from blb3d.core.api.idempotency import idempotent
from blb3d.core.api.permissions import requires
from blb3d.core.api.serializers import ErrorSerializer, StrictSerializer
from blb3d.core.api.versions import VersionedMixin
from blb3d.core.errors import NotFound
from inventory import services as inventory
from inventory.models import Spool
from inventory.selectors import find_location, find_spool
from production import services as production
from production.api.base import PermittedMixin, acting_user, by_key
from production.api.serializers import PrinterSlotSerializer
from production.models import JobPhoto, PrinterProblem, PrintJob

GRAMS: dict[str, Any] = {"max_digits": 10, "decimal_places": 4}
MULTIPART = "multipart/form-data"


class LoadSpoolSerializer(StrictSerializer):
    spool = serializers.CharField(max_length=300, help_text="Label, the address on the label, or RFID.")
    tray = serializers.IntegerField(min_value=0, max_value=255, help_text="AMS unit x 4 + slot; 254 is external.")


class ReportSerializer(StrictSerializer):
    text = serializers.CharField(max_length=500)
    out_of_service = serializers.BooleanField(default=False)
    job = serializers.CharField(max_length=30, required=False, help_text="Code of the job that showed it.")
    photo = serializers.FileField(required=False, allow_empty_file=True, help_text="JPEG, PNG or WebP.")


class ResolveSerializer(StrictSerializer):
    resolution = serializers.CharField(max_length=500)
    back_in_service = serializers.BooleanField(default=True)


class ProblemSerializer(serializers.ModelSerializer[PrinterProblem]):
    printer = serializers.CharField(source="printer.name")
    job = serializers.CharField(source="job.code", default=None)
    reported_by = serializers.CharField(source="reported_by.email")
    has_photo = serializers.SerializerMethodField()

    class Meta:
        model = PrinterProblem
        reads = ("photo",)
        fields = (
            "id",
            "printer_id",
            "printer",
            "job",
            "text",
            "has_photo",
            "took_out_of_service",
            "reported_at",
            "reported_by",
            "resolved_at",
            "resolution",
            "version",
        )

    def get_has_photo(self, problem: PrinterProblem) -> bool:
        """Return whether there is a photo; people see it on the printer's page."""
        return bool(problem.photo)


class NewPhotoSerializer(StrictSerializer):
    image = serializers.FileField(allow_empty_file=True, help_text="JPEG, PNG or WebP.")
    kind = serializers.ChoiceField(choices=JobPhoto.Kind.choices, default=JobPhoto.Kind.FINISH)
    note = serializers.CharField(max_length=200, required=False, allow_blank=True, default="")


class PhotoSerializer(serializers.ModelSerializer[JobPhoto]):
    class Meta:
        model = JobPhoto
        fields = ("id", "job_id", "kind", "note", "taken_at")


class SpoolSerializer(serializers.ModelSerializer[Spool]):
    lot_number = serializers.CharField(source="lot.lot_number")
    sku = serializers.CharField(source="lot.product.sku")
    location = serializers.CharField(source="location.code", default=None)

    class Meta:
        model = Spool
        fields = (
            "id",
            "label",
            "lot_id",
            "lot_number",
            "sku",
            "remaining_grams",
            "tare_grams",
            "tag_uid",
            "location",
            "weighed_at",
            "labelled_at",
            "opened_at",
            "dried_at",
            "version",
        )


class MoveSpoolSerializer(StrictSerializer):
    location = serializers.CharField(max_length=300, help_text="Code of the place, or the address on its label.")


class WeighSerializer(StrictSerializer):
    gross_grams = serializers.DecimalField(**GRAMS, help_text="What the scale shows, with the reel.")
    tare_grams = serializers.DecimalField(**GRAMS, required=False, help_text="The empty reel, to correct it.")
    reason = serializers.CharField(max_length=200, required=False, allow_blank=True, default="")


class WeighedSerializer(serializers.Serializer[Any]):
    spool = SpoolSerializer()
    grams = serializers.DecimalField(**GRAMS, help_text="On the reel now.")
    before = serializers.DecimalField(**GRAMS, help_text="In the books before.")
    booked = serializers.DecimalField(**GRAMS, help_text="What the lot was corrected by.")


class MachineActs:
    """What is done at one printer; mixed into the printers' view."""

    acts: ClassVar = {"load_spool": "change_printer", "report": "add_printerproblem"}

    @extend_schema(request=LoadSpoolSerializer, responses={200: PrinterSlotSerializer, 409: ErrorSerializer})
    @action(detail=True, methods=["post"], url_path="load-spool")
    @idempotent()
    def load_spool(self, request: Request, **_: Any) -> Response:
        """Hang a spool into a slot; it leaves the slot that it was in."""
        given = _valid(LoadSpoolSerializer, request)
        spool = find_spool(given["spool"])
        if spool is None:
            raise NotFound("There is no such spool.", details={"spool": given["spool"]})
        printer = self.get_object()  # type: ignore[attr-defined]
        slot = production.load_spool(printer, spool, tray=given["tray"], actor=acting_user(request))
        return Response(PrinterSlotSerializer(slot).data)

    @extend_schema(
        request={MULTIPART: ReportSerializer, "application/json": ReportSerializer},
        responses={201: ProblemSerializer, 409: ErrorSerializer},
    )
    @action(detail=True, methods=["post"], url_path="problems")
    @idempotent()
    def report(self, request: Request, **_: Any) -> Response:
        """Report a problem, with a photo where there is one; on demand the printer goes out of service."""
        given, printer = _valid(ReportSerializer, request), self.get_object()  # type: ignore[attr-defined]
        job = None
        if "job" in given:
            job = by_key(PrintJob.objects.all(), given["job"], ("code", "pk"))
            if job is None:
                raise NotFound("There is no such job.", details={"job": given["job"]})
        problem = production.report_problem(
            printer,
            text=given["text"],
            out_of_service=given["out_of_service"],
            photo=given.get("photo"),
            job=job,
            actor=acting_user(request),
        )
        return Response(ProblemSerializer(problem).data, status=status.HTTP_201_CREATED)


class JobPhotos:
    """Photos of one print; mixed into the print jobs' view."""

    @extend_schema(request={MULTIPART: NewPhotoSerializer}, responses={201: PhotoSerializer, 400: ErrorSerializer})
    @action(detail=True, methods=["post"], url_path="photos")
    @idempotent()
    def add_photo(self, request: Request, **_: Any) -> Response:
        """Keep a photo of the print; what the file says about place and device is not kept."""
        given, job = _valid(NewPhotoSerializer, request), self.get_object()  # type: ignore[attr-defined]
        photo = production.add_job_photo(
            job, given["image"], kind=given["kind"], note=given["note"], actor=acting_user(request)
        )
        return Response(PhotoSerializer(photo).data, status=status.HTTP_201_CREATED)


class ProblemViewSet(PermittedMixin, VersionedMixin, ReadOnlyModelViewSet[PrinterProblem]):
    """Problems of printers, the latest first."""

    model = PrinterProblem
    queryset = PrinterProblem.objects.select_related("printer", "job", "reported_by").order_by("-id")
    serializer_class = ProblemSerializer
    filterset_fields: ClassVar = {"printer": ["exact"], "resolved_at": ["isnull"], "took_out_of_service": ["exact"]}
    acts: ClassVar = {"resolve": "resolve_printerproblem"}

    @extend_schema(request=ResolveSerializer, responses={200: ProblemSerializer, 409: ErrorSerializer})
    @action(detail=True, methods=["post"])
    @idempotent()
    def resolve(self, request: Request, **_: Any) -> Response:
        """Say what was done; the printer goes back into service where the problem took it out."""
        problem = self.get_object()
        production.resolve_problem(problem, actor=acting_user(request), **_valid(ResolveSerializer, request))
        return Response(ProblemSerializer(self.get_queryset().get(pk=problem.pk)).data)


class SpoolViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, GenericViewSet[Spool]):
    """Spools; named by id or label."""

    queryset = Spool.objects.select_related("lot__product", "location").order_by("label", "id")
    serializer_class = SpoolSerializer
    lookup_value_regex = r"[^/]+"
    filterset_fields: ClassVar = ["lot", "lot__product", "lot__product__sku", "location"]
    search_fields: ClassVar = ["label", "lot__lot_number", "lot__product__sku", "lot__product__name"]

    def get_permissions(self) -> list[Any]:
        """Ask for the permission to see spools, or to change them."""
        changes = self.action in {"weigh", "move"}
        return [requires("inventory.change_spool" if changes else "inventory.view_spool")()]

    def get_object(self) -> Spool:
        """Return the spool that the path names."""
        found = by_key(self.get_queryset(), str(self.kwargs["pk"]), ("label", "pk"))
        if found is None:
            raise NotFound(details={"id": self.kwargs["pk"]})
        return found  # type: ignore[no-any-return]

    @extend_schema(request=WeighSerializer, responses={200: WeighedSerializer, 409: ErrorSerializer})
    @action(detail=True, methods=["post"])
    @idempotent()
    def weigh(self, request: Request, **_: Any) -> Response:
        """Correct what is left to what the scale shows; the difference is booked to the lot."""
        given: dict[str, Decimal] = _valid(WeighSerializer, request)
        weighed = production.weigh_in(self.get_object(), actor=acting_user(request), **given)  # type: ignore[arg-type]
        return Response(WeighedSerializer(weighed).data)

    @extend_schema(request=MoveSpoolSerializer, responses={200: SpoolSerializer, 409: ErrorSerializer})
    @action(detail=True, methods=["post"])
    @idempotent()
    def move(self, request: Request, **_: Any) -> Response:
        """Put the spool elsewhere; what is left on it moves with it in the books."""
        given = _valid(MoveSpoolSerializer, request)
        place = find_location(given["location"])
        if place is None:
            raise NotFound("There is no such place.", details={"location": given["location"]})
        spool = inventory.move_spool(self.get_object(), location=place, actor=acting_user(request))
        return Response(SpoolSerializer(self.get_queryset().get(pk=spool.pk)).data)


def _valid(serializer_class: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    serializer = serializer_class(data=request.data)
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data
