"""`/reports/yield`: what came out good, what was lost, and what that cost."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from blb3d.core.api.permissions import requires
from blb3d.core.api.serializers import ErrorSerializer, StrictSerializer
from production.selectors.yields import GROUPS, YieldFilter, yield_report


class YieldQuerySerializer(StrictSerializer):
    """Which days, and what of them; the last thirty days when nothing is said."""

    date_from = serializers.DateField(required=False, help_text="First day.")
    date_to = serializers.DateField(required=False, help_text="Last day, included; today when left out.")
    by = serializers.ChoiceField(choices=list(GROUPS.items()), required=False, default="printer")
    printer = serializers.IntegerField(required=False, help_text="Id; leaves out what was lost after printing.")
    material = serializers.IntegerField(required=False, help_text="Id of the filament that a plate takes most of.")
    product = serializers.IntegerField(required=False, help_text="Id.")
    defect = serializers.CharField(required=False, max_length=30, help_text="Code.")


class YieldRowSerializer(serializers.Serializer[Any]):
    key = serializers.CharField(help_text="Id, code or day of the group.")
    label = serializers.CharField()
    printed = serializers.IntegerField(help_text="Parts on plates that were counted.")
    good = serializers.IntegerField(help_text="Of those, good off the plate.")
    scrap = serializers.IntegerField(help_text="Of those, bad.")
    missing = serializers.IntegerField(help_text="Of those, never made: the print ended early.")
    scrap_after = serializers.IntegerField(help_text="Parts scrapped at operations and inspections.")
    rework = serializers.IntegerField(help_text="Parts sent back to be done again.")
    lost = serializers.IntegerField(help_text="Scrap, missing and scrapped afterwards.")
    yield_percent = serializers.DecimalField(max_digits=4, decimal_places=1, allow_null=True)
    cost = serializers.DecimalField(max_digits=14, decimal_places=2, help_text="What the losses had cost.")


class YieldSerializer(serializers.Serializer[Any]):
    date_from = serializers.DateField()
    date_to = serializers.DateField()
    by = serializers.CharField()
    rows = YieldRowSerializer(many=True)
    total = YieldRowSerializer()


class YieldView(APIView):
    """Yield by printer, material, product, defect, day, week or month."""

    permission_classes = (requires("production.view_printjob"),)

    @extend_schema(
        operation_id="reports_yield",
        parameters=[YieldQuerySerializer],
        responses={200: YieldSerializer, 400: ErrorSerializer},
    )
    def get(self, request: Request, **_: Any) -> Response:
        """Return good and lost parts and the cost of failure in a period of at most a year."""
        query = YieldQuerySerializer(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        given = query.validated_data
        wanted = YieldFilter.of_days(
            given.get("date_from"),
            given.get("date_to"),
            by=given["by"],
            printer_id=given.get("printer"),
            material_id=given.get("material"),
            product_id=given.get("product"),
            defect=given.get("defect", ""),
        )
        report = yield_report(wanted)
        found = {
            "date_from": wanted.start,
            "date_to": wanted.end,
            "by": wanted.by,
            "rows": report.rows,
            "total": report.total,
        }
        return Response(YieldSerializer(found).data)
