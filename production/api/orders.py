"""`/production-orders`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any, ClassVar

from django.conf import settings
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from blb3d.core.api.idempotency import idempotent
from blb3d.core.api.serializers import ErrorSerializer
from blb3d.core.errors import InvalidValue, NotFound
from inventory.models import BOMLine, Product
from production import services as production
from production.api.base import DocumentViewSet, acting_user, by_key, job_fields, status_changes
from production.api.serializers import (
    CompleteOrderSerializer,
    EffectSerializer,
    HistoryRowSerializer,
    MaterialsSerializer,
    MergeSerializer,
    NewProductionOrderSerializer,
    OrderCostSerializer,
    OrderProgressSerializer,
    ProductionOrderSerializer,
    ProductionReasonSerializer,
    QuantitySerializer,
)
from production.lifecycles import PRODUCTION_ORDER
from production.models import PrintJob, ProductionOrder
from production.selectors import order_progress, order_waiting_reasons
from production.selectors.costs import production_costs
from production.selectors.effects import ACTIONS, order_effects
from production.selectors.progress import plate_progress


class ProductionOrderViewSet(DocumentViewSet):
    """Production orders, the latest first."""

    model = ProductionOrder
    queryset = ProductionOrder.objects.select_related("product").order_by("-id")
    serializer_class = ProductionOrderSerializer
    filterset_fields: ClassVar = [
        "status",
        "priority",
        "source_type",
        "product",
        "product__sku",
        "sales_order",
        "is_held",
        "is_late",
    ]
    search_fields: ClassVar = ["code", "product__sku", "product__name"]
    ordering_fields: ClassVar = ["id", "due_date", "priority", "scheduled_start", "scheduled_end", "status"]
    acts: ClassVar = {
        "create": "add_productionorder",
        "hold": "hold_productionorder",
        "release": "hold_productionorder",
        "split": "change_productionorder",
        "merge": "change_productionorder",
        "quantity": "change_productionorder",
        **{step: f"{step}_productionorder" for step in PRODUCTION_ORDER.steps},
    }

    def reasons(self, rows: Iterable[ProductionOrder]) -> dict[int, str]:
        return order_waiting_reasons(rows)

    @extend_schema(
        request=NewProductionOrderSerializer, responses={201: ProductionOrderSerializer, 400: ErrorSerializer}
    )
    @idempotent()
    def create(self, request: Request, **_: Any) -> Response:
        """Plan a production order for the shelf."""
        given = self.valid(NewProductionOrderSerializer)
        wanted = {"pk": given.pop("product_id", None), "sku": given.pop("sku", "").strip().upper() or None}
        wanted = {field: value for field, value in wanted.items() if value is not None}
        product = Product.objects.filter(**wanted).first() if wanted else None
        if product is None:
            raise InvalidValue("Please name a product by product_id or sku.", details={"fields": ["product_id", "sku"]})
        order = production.make_stock_order(product, actor=acting_user(request), **given)
        return self.answer(order, status.HTTP_201_CREATED)

    def _step(self, run: Callable[..., Any]) -> Response:
        order = self.current()
        run(order, actor=acting_user(self.request), **self.valid(ProductionReasonSerializer))
        return self.answer(order)

    @extend_schema(request=ProductionReasonSerializer, responses={200: ProductionOrderSerializer, 409: ErrorSerializer})
    @action(detail=True, methods=["post"])
    def confirm(self, request: Request, **_: Any) -> Response:
        """Confirm a draft and reserve its material."""
        return self._step(lambda order, **given: production.confirm_production_orders([order], **given))

    @extend_schema(request=None, responses={200: ProductionOrderSerializer, 409: ErrorSerializer})
    @action(detail=True, methods=["post"])
    def queue(self, request: Request, **_: Any) -> Response:
        """Make the print jobs of a confirmed order."""
        order = self.current()
        production.queue_production_order(order, actor=acting_user(request))
        return self.answer(order)

    @extend_schema(request=None, responses={200: ProductionOrderSerializer, 409: ErrorSerializer})
    @action(detail=True, methods=["post"])
    def start(self, request: Request, **_: Any) -> Response:
        """Queue the order and send its jobs to the printers that are free for them."""
        order = self.current()
        production.start_production_order(order, actor=acting_user(request))
        return self.answer(order)

    @extend_schema(request=CompleteOrderSerializer, responses={200: ProductionOrderSerializer, 409: ErrorSerializer})
    @action(detail=True, methods=["post"])
    @idempotent()
    def complete(self, request: Request, **_: Any) -> Response:
        """Count what is printed, or say that the machine is through with it; closes the order when nothing is open."""
        order, actor = self.current(), acting_user(request)
        given = self.valid(CompleteOrderSerializer)
        if "quantity_good" in given or "quantity_scrapped" in given:
            production.count_printed(
                order,
                good=given.get("quantity_good", 0),
                scrap=given.get("quantity_scrapped", 0),
                reason=given["reason"],
                close_short=given["close_short"],
                actor=actor,
            )
            return self.answer(order)
        running = self._running(order, given.get("print_job_id"))
        for job in running:
            production.report_finished(job, minutes=given.get("actual_time"), actor=actor)
        if not running:
            production.complete_production_order(order, actor=actor, reason=given["reason"])
        return self.answer(order)

    def _running(self, order: ProductionOrder, key: str | None) -> list[PrintJob]:
        """Return the job that a call names, else those of the order that a printer works on."""
        jobs = PrintJob.objects.filter(parts__production_order=order)
        if key is None:
            return list(jobs.filter(status__in=PrintJob.ACTIVE).order_by("id"))
        job = by_key(jobs, key, job_fields(acting_user(self.request)))
        if job is None:
            raise NotFound("The order has no such print job.", details={"print_job_id": key})
        return [job]

    @extend_schema(request=ProductionReasonSerializer, responses={200: ProductionOrderSerializer, 409: ErrorSerializer})
    @action(detail=True, methods=["post"])
    def fail(self, request: Request, **_: Any) -> Response:
        """Give the order up for now."""
        return self._step(production.fail_production_order)

    @extend_schema(request=ProductionReasonSerializer, responses={200: ProductionOrderSerializer, 409: ErrorSerializer})
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, **_: Any) -> Response:
        """Put a failed order back to work."""
        return self._step(production.retry_production_order)

    @extend_schema(request=ProductionReasonSerializer, responses={200: ProductionOrderSerializer, 409: ErrorSerializer})
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, **_: Any) -> Response:
        """Cancel an order that does not print yet."""
        return self._step(production.cancel_production_order)

    @extend_schema(request=ProductionReasonSerializer, responses={200: ProductionOrderSerializer, 409: ErrorSerializer})
    @action(detail=True, methods=["post"])
    def hold(self, request: Request, **_: Any) -> Response:
        """Send no new job for the order."""
        return self._step(production.hold_production_order)

    @extend_schema(request=ProductionReasonSerializer, responses={200: ProductionOrderSerializer, 409: ErrorSerializer})
    @action(detail=True, methods=["post"])
    def release(self, request: Request, **_: Any) -> Response:
        """Let jobs of a held order be sent again."""
        return self._step(production.release_production_order_hold)

    @extend_schema(responses=MaterialsSerializer)
    @action(detail=True)
    def materials(self, request: Request, **_: Any) -> Response:
        """Return what the order needs by bill of materials and what it took, by lot."""
        order = self.get_object()
        lines = BOMLine.objects.filter(bom=order.bom_id).select_related("component").order_by("id")
        used = order.materials.select_related("product", "material_lot", "print_job")
        found = {"required": lines, "used": used}
        return Response(MaterialsSerializer(found, context={"quantity": order.quantity}).data)

    @extend_schema(responses=HistoryRowSerializer(many=True))
    @action(detail=True)
    def history(self, request: Request, **_: Any) -> Response:
        """Return every change of status: when, by whom, from what to what, why."""
        return Response(HistoryRowSerializer(status_changes(self.get_object()), many=True).data)

    @extend_schema(responses=OrderProgressSerializer)
    @action(detail=True)
    def progress(self, request: Request, **_: Any) -> Response:
        """Return how many units are wanted, printed, good, scrapped and missing, and the same of each plate's parts."""
        order = self.get_object()
        found = {**asdict(order_progress([order.pk])[order.pk]), "plates": plate_progress(order)}
        return Response(OrderProgressSerializer(found).data)

    @extend_schema(responses=OrderCostSerializer)
    @action(detail=True)
    def costs(self, request: Request, **_: Any) -> Response:
        """Return what the order should cost and what it cost so far, in the system's currency."""
        order = self.get_object()
        cost = production_costs([order.pk])[order.pk]
        return Response(OrderCostSerializer(cost, context={"currency": settings.CURRENCY}).data)  # type: ignore[misc]

    @extend_schema(
        parameters=[OpenApiParameter("action", str, required=True, enum=list(ACTIONS))],
        responses={200: EffectSerializer(many=True), 400: ErrorSerializer},
    )
    @action(detail=True, pagination_class=None, filter_backends=[])
    def effects(self, request: Request, **_: Any) -> Response:
        """Return what an act would do to jobs, stock and promises; nothing is changed."""
        found = order_effects(self.get_object(), request.query_params.get("action", ""))
        return Response(EffectSerializer(found, many=True).data)

    @extend_schema(
        request=QuantitySerializer,
        responses={201: ProductionOrderSerializer, 400: ErrorSerializer, 409: ErrorSerializer},
    )
    @action(detail=True, methods=["post"])
    @idempotent()
    def split(self, request: Request, **_: Any) -> Response:
        """Take units that have not begun off the order into a new one, which is returned."""
        order = self.current()
        new = production.split_production_order(order, actor=acting_user(request), **self.valid(QuantitySerializer))
        return self.answer(new, status.HTTP_201_CREATED)

    @extend_schema(
        request=QuantitySerializer,
        responses={200: ProductionOrderSerializer, 400: ErrorSerializer, 409: ErrorSerializer},
    )
    @action(detail=True, methods=["post"])
    def quantity(self, request: Request, **_: Any) -> Response:
        """Make so many units in all; fewer only as far as they have not begun and nobody waits for them."""
        order = self.current()
        production.change_production_quantity(order, actor=acting_user(request), **self.valid(QuantitySerializer))
        return self.answer(order)

    @extend_schema(
        request=MergeSerializer, responses={200: ProductionOrderSerializer, 400: ErrorSerializer, 409: ErrorSerializer}
    )
    @action(detail=True, methods=["post"])
    @idempotent()
    def merge(self, request: Request, **_: Any) -> Response:
        """Make other orders' quantities with this one; they are cancelled and name it as `merged_into`."""
        order, given = self.current(), self.valid(MergeSerializer)
        others = []
        for key in given["orders"]:
            other = self.find(self.get_queryset(), key)
            if other is None:
                raise InvalidValue(f"There is no production order {key}.", details={"field": "orders", "value": key})
            others.append(other)
        production.merge_production_orders(order, others, actor=acting_user(request), reason=given["reason"])
        return self.answer(order)
