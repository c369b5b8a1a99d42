"""How a customer's files become a quote: looked at first, logged in any case, then written as one."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from django.conf import settings

from blb3d.accounts.models import PortalSession, User
from blb3d.core.errors import BLB3DError, InvalidValue
from blb3d.core.numbering import next_number
from blb3d.core.outbox import emit
from blb3d.core.verbs import verb
from inventory.errors import MaterialNotFound
from quotes.errors import TooManyFiles
from quotes.modelfiles import ModelAnalysis, UnusableFile
from quotes.modelfiles.errors import AskAnEngineer
from quotes.modelfiles.isolated import ReadersBusy, TooHardToRead
from quotes.modelfiles.limits import MEBIBYTE
from quotes.models import FileUploadLog, Quote, QuoteFile
from quotes.ports import LAYER_HEIGHTS, Scan
from quotes.selectors import Choice
from quotes.services.approval import submit_quote
from quotes.services.authority import allow_quoting
from quotes.services.estimates import is_slow
from quotes.services.funnel import Step, note_step
from quotes.services.pricing import check_texts, check_wishes, clear_price, locked, price_now, set_choice, valid_until
from quotes.services.reading import check_unit, read_file
from quotes.services.storing import store_file, stored
from quotes.services.uploads import (
    MAX_FILES,
    FilesRefused,
    InfectedFile,
    Upload,
    log_uploads,
    look_from_outside,
    scan,
    tell_infection,
)
from sales.models import Customer
from sales.selectors import membership_of

log = logging.getLogger(__name__)

READING = "We are reading your file. The price follows in a moment."
HELD = "Your file waits for the virus scanner. The price follows when it was looked at."
#: Percent.
USUAL_INFILL = 15
_NOT_SCANNED = Scan("not_scanned")


@dataclass(frozen=True)
class QuoteRequest:
    """What somebody wants a price for. ``user`` and ``customer`` are None for a guest, who has a ``visit``.

    ``is_for_engineer`` takes files that only a person can judge, or that are too hard to read; they are quoted after
    review.
    """

    files: Sequence[Upload]
    material_type: str
    quantity: int
    user: User | None = None
    customer: Customer | None = None
    visit: PortalSession | None = None
    product_name: str = ""
    color: str = ""
    #: Not named, both are as the file asks that is a slicer's project, else the usual ones.
    quality: str = ""
    infill_percent: int | None = None
    finish: str = Quote.Finish.STANDARD
    rush: str = Quote.Rush.STANDARD
    special_instructions: str = ""
    customer_po_number: str = ""
    is_under_nda: bool = False
    #: The unit of files that name none (STL): mm or inch; empty takes our guess.
    unit: str = ""
    submit: bool = True
    is_for_engineer: bool = False
    ip_address: str = ""


@dataclass(frozen=True)
class LookedAt:
    """An upload with the scanner's word, and what was seen in it or why it is refused."""

    upload: Upload
    scan: Scan = _NOT_SCANNED
    analysis: ModelAnalysis | None = None
    refusal: UnusableFile | None = None


@dataclass(frozen=True)
class CheckedRequest:
    """A request that can be met: its files were looked at and logged. Not ``is_read``: a worker reads them later."""

    request: QuoteRequest
    choice: Choice
    files: tuple[LookedAt, ...]
    log_ids: tuple[int, ...]
    is_read: bool


def create_quote(request: QuoteRequest, *, actor: User) -> Quote:
    """Make a quote from files and wishes: see ``check_request`` and ``write_quote``, which this does in turn."""
    return write_quote(check_request(request, actor=actor), actor=actor)


def check_request(request: QuoteRequest, *, actor: User) -> CheckedRequest:
    """Look at the files and log every one of them, also when the request is refused.

    Not a verb: the log is committed by itself, so no transaction may be open, and scanning and reading take their time.
    Files above ``QUOTE_SYNC_MAX_MB`` together, files that wait for the virus scanner, all files while an estimator is
    slow, and those left when the readers are busy or time is up, are looked at from outside only; a worker reads them.

    Raises:
        FilesRefused: a file cannot be used.
        InvalidValue, MaterialNotFound, MaterialNotAvailable: a wish cannot be met.
        NotAllowed: the actor may not ask for this customer.
    """
    try:
        allow_quoting(request.customer, actor=actor)
        if not 1 <= len(request.files) <= MAX_FILES:
            raise TooManyFiles(details={"files": len(request.files), "maximum": MAX_FILES})
        choice = check_wishes(
            material_type=request.material_type,
            color=request.color,
            quantity=request.quantity,
            quality=request.quality or Quote.Quality.STANDARD,
            infill_percent=USUAL_INFILL if request.infill_percent is None else request.infill_percent,
            finish=request.finish,
            rush=request.rush,
        )
        check_unit(request.unit)
        check_texts(_new_quote(request, choice, "Q-0"))
    except BLB3DError as error:
        _log(request, [LookedAt(upload) for upload in request.files], error.message)
        raise
    refusals = look_from_outside(request.files)
    files = [
        LookedAt(upload, refusal=refusal) if refusal is not None else _scanned(upload)
        for upload, refusal in zip(request.files, refusals, strict=True)
    ]
    is_small = sum(upload.byte_count for upload in request.files) <= _sync_bytes()
    is_read = is_small and not is_slow() and not any(file.scan.result == "held" for file in files)
    if is_read:
        files, is_read = _read_in_time(files, request)
    log_ids = _log(request, files)
    for file in files:
        if file.scan.result == "infected":
            tell_infection(
                file.upload.plain_name, file.upload.digest, file.scan, actor=request.user, ip_address=request.ip_address
            )
    if any(file.refusal is not None for file in files):
        raise _refused(files)
    return CheckedRequest(request, choice, tuple(files), tuple(log_ids), is_read)


def _scanned(upload: Upload) -> LookedAt:
    with upload.opened() as stream:
        result = scan(stream)
    if result.result == "infected":
        return LookedAt(upload, result, refusal=InfectedFile("Our virus scanner found something in it."))
    return LookedAt(upload, result)


def _read_in_time(files: Sequence[LookedAt], request: QuoteRequest) -> tuple[list[LookedAt], bool]:
    """Read the files for as long as one alone may take; what is left then is the worker's, and the answer is False."""
    end = time.monotonic() + settings.QUOTE_PARSE_MAX_SECONDS  # type: ignore[misc]
    found = list(files)
    for position, file in enumerate(files):
        if file.refusal is not None:
            continue
        if time.monotonic() > end:
            return found, False
        try:
            found[position] = _read(file, request)
        except ReadersBusy:
            return found, False
    return found, True


def _read(file: LookedAt, request: QuoteRequest) -> LookedAt:
    try:
        analysis = read_file(
            file.upload.source, file_name=file.upload.plain_name, sha256=file.upload.digest, unit=_unit(file, request)
        )
    except (AskAnEngineer, TooHardToRead) as error:
        return file if request.is_for_engineer else replace(file, refusal=error)
    except UnusableFile as error:
        return replace(file, refusal=error)
    return replace(file, analysis=analysis)


def _unit(file: LookedAt, request: QuoteRequest) -> str:
    return request.unit if file.upload.extension == ".stl" else ""


def _refused(files: Sequence[LookedAt]) -> FilesRefused:
    rows = [
        {"file": file.upload.plain_name, "kind": file.refusal.details["kind"], "reason": file.refusal.details["reason"]}
        for file in files
        if file.refusal is not None
    ]
    first = rows[0]
    error = FilesRefused(first["reason"], details={"files": rows, "kind": first["kind"]})
    error.message = f"{first['file']} cannot be used: {first['reason']}"
    return error


def _sync_bytes() -> int:
    return int(settings.QUOTE_SYNC_MAX_MB) * MEBIBYTE  # type: ignore[misc]


def _log(request: QuoteRequest, files: Sequence[LookedAt], refusal: str = "") -> list[int]:
    return log_uploads(
        [file.upload for file in files],
        [refusal or (file.refusal.message if file.refusal is not None else "") for file in files],
        [file.scan for file in files],
        user=request.user,
        visit=request.visit,
        ip_address=request.ip_address,
    )


@verb
def write_quote(checked: CheckedRequest, *, actor: User) -> Quote:
    """Write the quote with its files, parts, filaments and price as one, and submit it when asked to.

    A quote whose files wait to be read stays a draft; ``quotes.quote_uploaded`` gets it read, or ``release_held_files``
    when its files wait for the virus scanner. Nothing is left in the storage when the transaction fails here.
    """
    request = checked.request
    allow_quoting(request.customer, actor=actor)
    quote = _new_quote(request, checked.choice, next_number("Q"), checked.files)
    quote.submit_when_priced = request.submit and not checked.is_read
    quote.save()
    note_step(quote, Step.UPLOAD)
    FileUploadLog.objects.filter(pk__in=checked.log_ids).update(quote=quote)
    with stored() as names:
        rows = [
            store_file(quote, file.upload, file.scan, file.analysis, names, unit=_unit(file, request))
            for file in checked.files
        ]
        if checked.is_read:
            price_now(quote)
            if request.submit:
                submit_quote(quote, actor=actor)
            return quote
        if any(row.scan_result == QuoteFile.ScanResult.HELD for row in rows):
            quote.processing_note = HELD
        else:
            quote.processing_note, quote.progress_percent = READING, 0
            emit("quotes.quote_uploaded", f"quotes.quote:{quote.pk}", id=quote.pk)
        quote.save()
    return quote


def _as_asked(request: QuoteRequest, files: Sequence[LookedAt]) -> tuple[str, int]:
    """Return quality and infill as they are named, else as the first file asks that says so, else the usual ones.

    A file that a worker reads later is not asked.
    """
    wishes = [file.analysis.wishes for file in files if file.analysis is not None and file.analysis.wishes is not None]
    height = next((wish.layer_height_mm for wish in wishes if wish.layer_height_mm), LAYER_HEIGHTS["standard"])
    infill = next((wish.infill_percent for wish in wishes if wish.infill_percent is not None), USUAL_INFILL)
    nearest = min(LAYER_HEIGHTS, key=lambda name: abs(LAYER_HEIGHTS[name] - height))
    return request.quality or nearest, infill if request.infill_percent is None else request.infill_percent


def _new_quote(request: QuoteRequest, choice: Choice, number: str, files: Sequence[LookedAt] = ()) -> Quote:
    quality, infill_percent = _as_asked(request, files)
    names = [PurePosixPath(upload.plain_name).stem for upload in request.files]
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    quote = Quote(
        quote_number=number,
        user=request.user,
        customer=request.customer,
        portal_session=request.visit,
        product_name=request.product_name.strip() or f"{names[0][:180]}{more}",
        quality=quality,
        infill_percent=infill_percent,
        finish=request.finish,
        rush=request.rush,
        quantity=request.quantity,
        special_instructions=request.special_instructions.strip(),
        customer_po_number=request.customer_po_number.strip(),
        is_under_nda=request.is_under_nda,
        expires_at=valid_until(),
    )
    set_choice(quote, choice)
    return quote


@verb
def claim_quotes(visit: PortalSession, *, actor: User) -> list[Quote]:
    """Give a guest's quotes to the user that the guest turned out to be, priced for that customer.

    A draft with a price is submitted, so that it can be accepted; one that has grown too old is left to expire.
    """
    member = membership_of(actor)
    if member is None:
        return []
    guest = Quote.objects.filter(portal_session=visit, user__isnull=True, customer__isnull=True).order_by("pk")
    claimed = []
    for quote in guest:
        locked(quote)
        if quote.customer_id is not None:
            continue
        quote.user, quote.customer = actor, member.customer
        if quote.status == Quote.Status.DRAFT and quote.is_priced and not quote.has_expired:
            _price_claimed(quote, actor=actor)
        else:
            quote.save()
        claimed.append(quote)
    return claimed


def _price_claimed(quote: Quote, *, actor: User) -> None:
    """Price and submit a guest's quote; what cannot be priced any more keeps nobody from logging in."""
    try:
        price_now(quote)
    except (InvalidValue, MaterialNotFound) as error:
        clear_price(quote, error.message)
        quote.save()
    else:
        submit_quote(quote, actor=actor)
