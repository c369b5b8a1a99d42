"""What the customer says of a file's contents: how many of each part, and the unit of a file that names none."""

from __future__ import annotations

from collections.abc import Mapping

from blb3d.accounts.models import User
from blb3d.core.errors import InvalidValue
from blb3d.core.verbs import verb
from quotes.errors import NotADraft, NotPriced
from quotes.modelfiles import ModelAnalysis
from quotes.models import Quote, QuoteFile, QuotePart
from quotes.services.authority import allow_quoting
from quotes.services.pricing import forget_estimate_by_hand, locked, price_now
from quotes.services.reading import check_unit, read_file
from quotes.services.storing import on_disk, set_analysis, stored, write_parts

MAX_PER_SET = 10_000


@verb
def set_part_quantities(
    quote: Quote, quantities: Mapping[int, int], *, actor: User, version: int | None = None
) -> Quote:
    """Set how many of its parts make a set of a draft, by the parts' keys, and price it again; 0 leaves a part out.

    Raises:
        NotADraft: it is no draft any more.
        StaleVersion: somebody changed it since ``version``.
        InvalidValue: a number is not possible, nothing would be left, or a part is not the quote's.
    """
    allow_quoting(quote.customer, actor=actor, permission="quotes.change_quote")
    _draft(quote, version)
    parts = {part.pk: part for part in QuotePart.objects.filter(quote=quote)}
    before = {key: part.quantity for key, part in parts.items()}
    for key, quantity in quantities.items():
        if key not in parts:
            raise InvalidValue("This is no part of the quote.", details={"field": "parts", "part": key})
        if isinstance(quantity, bool) or not isinstance(quantity, int) or not 0 <= quantity <= MAX_PER_SET:
            raise InvalidValue(
                f"Between 0 and {MAX_PER_SET} pieces of a part make a set.",
                details={"field": "parts", "part": key, "value": str(quantity)[:40]},
            )
        parts[key].quantity = quantity
    if parts and not any(part.quantity for part in parts.values()):
        raise InvalidValue("At least one part must be left.", details={"field": "parts"})
    QuotePart.objects.bulk_update([parts[key] for key in quantities], ["quantity"])
    if {key: part.quantity for key, part in parts.items()} != before:
        forget_estimate_by_hand(quote)
    price_now(quote)
    return quote


def set_file_unit(file: QuoteFile, unit: str, *, actor: User, version: int | None = None) -> QuoteFile:
    """Read an STL file of a draft again in the unit that the customer names, and price the quote again.

    Not a verb: the file is read before the transaction that writes it. An empty unit takes our guess.

    Raises:
        NotADraft, StaleVersion: as ``set_part_quantities``.
        NotPriced: the quote's files are not read yet.
        InvalidValue: the file names its unit itself, or the unit is none of ``mm`` and ``inch``.
        UnusableFile: in this unit it cannot be printed.
    """
    allow_quoting(file.quote.customer, actor=actor, permission="quotes.change_quote")
    check_unit(unit)
    if not file.is_read:
        raise NotPriced(file.quote.processing_note or None)
    if file.format != "stl":
        raise InvalidValue("This file says itself which unit it is in.", details={"field": "unit"})
    if file.quote.status != Quote.Status.DRAFT:
        raise NotADraft(details={"status": file.quote.status})
    with on_disk(file.file) as path:
        analysis = read_file(path, file_name=file.original_filename, sha256=file.sha256, unit=unit)
    return write_file_unit(file, unit, analysis, actor=actor, version=version)


@verb
def write_file_unit(
    file: QuoteFile, unit: str, analysis: ModelAnalysis, *, actor: User, version: int | None = None
) -> QuoteFile:
    """Write a file's unit with what was seen in it, and price the quote again; see ``set_file_unit``."""
    quote = file.quote
    _draft(quote, version)
    file.refresh_from_db()
    with stored() as names:
        file.unit_choice = unit
        set_analysis(file, analysis, names)
        file.save()
        write_parts(file, analysis)
        forget_estimate_by_hand(quote)
        price_now(quote)
    return file


def _draft(quote: Quote, version: int | None) -> None:
    locked(quote)
    quote.check_version(version)
    if quote.status != Quote.Status.DRAFT:
        raise NotADraft(details={"status": quote.status})
