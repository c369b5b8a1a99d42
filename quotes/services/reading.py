"""What is in a quote's files: as they were read, and as many of each part as the customer wants."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath

from django.conf import settings

from blb3d.core.errors import InvalidValue
from quotes.modelfiles import ModelAnalysis, ReadLimits, read_model
from quotes.modelfiles.isolated import ProcessLimits, read_isolated
from quotes.models import Quote, QuoteFile, QuotePart
from quotes.ports import ModelSource
from quotes.services.cached import KEEP_ANALYSIS, remembered
from quotes.services.uploads import max_bytes

CHANGED_COUNTS = "The quantities of its parts were changed; a slice or a plate layout in the file was left aside."
#: What a customer may say of a file that names no unit; empty takes our guess.
UNITS = ("", "mm", "inch")


def check_unit(unit: str) -> None:
    """Refuse a unit that is none; raises ``InvalidValue``."""
    if unit not in UNITS:
        raise InvalidValue("There is no such unit.", details={"field": "unit", "allowed": list(UNITS)})


def read_file(source: bytes | Path, *, file_name: str, sha256: str, unit: str = "") -> ModelAnalysis:
    """Read a model file within this installation's limits; a file that was read before is remembered by its SHA-256.

    ``unit`` is the customer's word (``mm`` or ``inch``) for a file that names none. No transaction may be open.

    Raises:
        UnusableFile: it is none, cannot be quoted, or could not be read within the limits.
        ReadersBusy: too many files are being read.
    """
    limits = ReadLimits(max_bytes=max_bytes())

    def read() -> ModelAnalysis:
        if not settings.QUOTE_PARSE_ISOLATED:  # type: ignore[misc]
            return read_model(source, file_name=file_name, limits=limits, unit=unit)
        process = ProcessLimits(
            seconds=settings.QUOTE_PARSE_MAX_SECONDS,  # type: ignore[misc]
            megabytes=settings.QUOTE_PARSE_MAX_MB,  # type: ignore[misc]
            processes=settings.QUOTE_PARSE_PROCESSES,  # type: ignore[misc]
        )
        return read_isolated(source, file_name=file_name, limits=limits, unit=unit, process=process)

    return remembered(
        "analysis",
        [sha256, PurePosixPath(file_name.lower()).suffix, unit, limits],
        read,
        seconds=KEEP_ANALYSIS,
        where="readings",
    )


def printed_files(quote: Quote) -> list[QuoteFile]:
    """Return the files of which at least one part is printed, in the order of ``analyses_of``."""
    return [file for file, _, _ in _printed(quote)]


def files_to_slice(quote: Quote) -> list[str]:
    """Return the stored names of ``printed_files``; empty for one that must not go to a slicer as it is.

    That is a file whose parts are printed in other quantities than it holds, and an STL in inches, which every slicer
    takes for millimetres. A person makes the print file of these, and of all files where one could not be read: what
    ended its reader here is not given to a slicer.
    """
    if not all(file.is_read for file in quote.files.all()):
        return []
    return [
        (file.file.name or "") if is_as_sent and not (file.format == "stl" and analysis.unit == "inch") else ""
        for file, analysis, is_as_sent in _printed(quote)
    ]


def sources_of(quote: Quote, count: int) -> list[ModelSource]:
    """Return where the ``count`` models of ``analyses_of`` can be had; nothing is read before somebody asks for one."""

    def read(position: int) -> tuple[str, bytes]:
        file = printed_files(quote)[position]
        with file.file.open("rb") as stored:
            return file.original_filename, stored.read()

    return [ModelSource(partial(read, position)) for position in range(count)]


def analyses_of(quote: Quote) -> list[ModelAnalysis]:
    """Return the analyses of a quote's files with the counts that the customer wants; parts of 0 are left out.

    Every file must have been read. A file of which nothing is printed is left out as a whole. Where the counts differ
    from the file's, its slice and its plates say nothing any more, and a warning says that. Two queries.
    """
    return [analysis for _, analysis, _ in _printed(quote)]


def _printed(quote: Quote) -> list[tuple[QuoteFile, ModelAnalysis, bool]]:
    """Return files, their analyses as wanted, and whether they are printed as they were sent."""
    wanted: dict[int, list[QuotePart]] = defaultdict(list)
    for part in QuotePart.objects.filter(quote=quote).order_by("position", "pk"):
        wanted[part.file_id].append(part)
    found = []
    for file in quote.files.order_by("pk"):
        parts = wanted.get(file.pk, [])
        sent = ModelAnalysis.from_dict(file.geometry)
        wished = with_counts(sent, [part.quantity for part in parts])
        if wished.parts or not parts:
            found.append((file, wished, wished is sent))
    return found


def with_counts(analysis: ModelAnalysis, counts: list[int]) -> ModelAnalysis:
    """Return the analysis with these counts of its parts, in their order."""
    if not counts or counts == [part.count for part in analysis.parts]:
        return analysis
    pairs = zip(analysis.parts, counts, strict=True)
    return replace(
        analysis,
        parts=tuple(replace(part, count=count) for part, count in pairs if count),
        sliced=None,
        plates=(),
        warnings=(*analysis.warnings, CHANGED_COUNTS),
    )
