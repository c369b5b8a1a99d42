"""Photos of prints and problems, for staff only."""

from __future__ import annotations

from typing import Any

from django.http import FileResponse, HttpRequest, HttpResponseBase
from django.views.decorators.http import require_GET

from blb3d.core.errors import NotFound
from production.floor.base import floor_page
from production.models import JobPhoto, PrinterProblem


@require_GET
@floor_page("production.view_printjob")
def job_photo(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The photo of a print."""
    photo = JobPhoto.objects.filter(pk=pk).first()
    return _picture(photo.image if photo else None)


@require_GET
@floor_page("production.view_printer")
def problem_photo(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The photo of a problem."""
    problem = PrinterProblem.objects.filter(pk=pk).first()
    return _picture(problem.photo if problem else None)


def _picture(file: Any) -> HttpResponseBase:
    if not file:
        raise NotFound("There is no such photo.")
    try:
        response = FileResponse(file.open("rb"), content_type="image/jpeg")
    except FileNotFoundError:
        raise NotFound("The photo is not in the storage.") from None
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "private, max-age=86400"
    return response
