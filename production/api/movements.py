"""`/inventory/transactions`, where a movement may be told for a print job."""

from __future__ import annotations

from blb3d.core.errors import NotFound
from inventory.api.transactions import Booked, Told, TransactionViewSet
from inventory.models import Reference
from production import services as production
from production.api.base import acting_user, by_key, job_fields
from production.models import PrintJob, ProductionOrderMaterial


class MovementViewSet(TransactionViewSet):
    """The ledger, the latest first; and movements told by staff and machines."""

    def book_consumption(self, told: Told) -> list[Booked]:
        """Book what a document has used in all.

        What is told for a print job (by id, code or `bambu_job_id`) is the job's own use: the machine's end of the job
        corrects it and never adds to it.
        """
        key = told.data.get("reference_id")
        if told.data["reference_type"] != Reference.PRINT_JOB or key is None:
            return super().book_consumption(told)
        job = by_key(PrintJob.objects.all(), key, job_fields(self.request.user))
        if job is None:
            raise NotFound("There is no such print job.", details={"reference_id": key})
        production.record_material_used(
            job, material=told.product, quantity=told.quantity, actor=acting_user(self.request)
        )
        rows = ProductionOrderMaterial.objects.filter(print_job=job, product=told.product, quantity_used__gt=0)
        return [(row.location_id, row.material_lot_id, -row.quantity_used) for row in rows.order_by("id")]
