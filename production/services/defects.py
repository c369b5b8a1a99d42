"""Why parts are lost: the reasons that a farm knows, and what a failed print is put down to."""

from __future__ import annotations

from blb3d.accounts.models import User
from blb3d.core.documents import insert_documents
from blb3d.core.errors import InvalidTransition
from blb3d.core.verbs import verb
from production.defect_reasons import STANDARD_DEFECTS
from production.models import DefectReason, PrintJob
from production.services.making import lock_job


@verb
def add_standard_defects(*, actor: User) -> list[DefectReason]:
    """Add the usual defect reasons that are missing and return them; what is there stays as it is."""
    known = set(DefectReason.all_objects.values_list("code", flat=True))
    return insert_documents(
        [
            DefectReason(code=code, name=name, stage=stage, position=place * 10)
            for place, (code, name, stage) in enumerate(STANDARD_DEFECTS, start=1)
            if code not in known
        ],
        natural_key="code",
    )


@verb
def classify_failure(job: PrintJob, *, defect: DefectReason, actor: User, reason: str = "") -> PrintJob:
    """Say why a print failed; the yield report counts what it lost under that reason. May be corrected later.

    Raises:
        InvalidTransition: the job did not fail, nor was it stopped.
    """
    lock_job(job)
    if job.status not in (PrintJob.Status.FAILED, PrintJob.Status.CANCELLED):
        raise InvalidTransition(
            f"{job.code} is {job.get_status_display()}: there is no failure to explain.", details={"status": job.status}
        )
    if job.defect_id != defect.pk:
        job.defect = defect
        job.save()
    return job
