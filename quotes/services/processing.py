"""What a worker does with files that could not be read in their request: read, scanned again, priced, with progress.

Every file's reading is written by itself. A worker that dies in the middle is followed by one that goes on from there.
"""

from __future__ import annotations

import logging
from contextlib import suppress

from blb3d.accounts.models import User
from blb3d.core.errors import BLB3DError
from blb3d.core.outbox import emit
from blb3d.core.verbs import verb
from inventory.errors import MaterialNotFound
from quotes.errors import FileMissing
from quotes.estimators import CannotEstimate
from quotes.modelfiles import ModelAnalysis, UnusableFile
from quotes.modelfiles.errors import AskAnEngineer
from quotes.models import FileUploadLog, Quote, QuoteFile
from quotes.ports import Scan
from quotes.services.approval import submit_quote
from quotes.services.intake import READING
from quotes.services.pricing import choice_of, clear_price, estimate_quote, locked, price_now
from quotes.services.reading import analyses_of, read_file
from quotes.services.storing import (
    on_disk,
    remove_at_commit,
    set_analysis,
    set_scan,
    store_again,
    stored,
    tell_stored,
    write_parts,
)
from quotes.services.uploads import InfectedFile, scan, tell_infection

log = logging.getLogger(__name__)

ScanResult = QuoteFile.ScanResult
#: Percent that is told when everything is read; the rest is pricing.
_READ_PERCENT = 90


def read_uploaded_quote(quote_id: int, *, actor: User) -> None:
    """Read and price a quote whose files were not read in their request; a second time changes nothing.

    Not a verb: files are read before the transactions that write what was seen. A file that cannot be used leaves the
    quote a draft that says so. A quote with a file that waits for the virus scanner is left alone.
    """
    quote = Quote.objects.filter(pk=quote_id, status=Quote.Status.DRAFT).first()
    if quote is None or quote.is_priced:
        return
    files = list(quote.files.order_by("pk"))
    if any(row.scan_result in (ScanResult.HELD, ScanResult.INFECTED) for row in files):
        return
    whole, done, refusals = max(sum(row.size_bytes for row in files), 1), 0, []
    for number, row in enumerate(files, start=1):
        note = f"Reading {row.original_filename}, {number} of {len(files)}"
        _tell(quote, _READ_PERCENT * done // whole, note)
        done += row.size_bytes
        if row.is_read:
            continue
        try:
            analysis = _read(row)
        except AskAnEngineer:
            log.info("%s of %s is for an engineer", row.original_filename, quote.quote_number)
        except (UnusableFile, FileMissing) as error:
            refusals.append(f"{row.original_filename}: {error.message}")
            FileUploadLog.objects.filter(quote=quote, file_hash=row.sha256).update(
                accepted=False, refusal=error.message[:300]
            )
        else:
            write_analysis(row, analysis, actor=actor)
    _tell(quote, _READ_PERCENT, "Working out the price")
    _estimate_ahead(quote)
    try:
        finish_reading(quote, refusal=" ".join(refusals), actor=actor)
    except BLB3DError as error:
        if error.transient:
            raise
        finish_reading(quote, refusal=error.message, actor=actor)


def _read(row: QuoteFile) -> ModelAnalysis:
    """Read a stored file; raises ``FileMissing`` besides what ``read_file`` does."""
    try:
        with on_disk(row.file) as path:
            return read_file(path, file_name=row.original_filename, sha256=row.sha256, unit=row.unit_choice)
    except FileNotFoundError:
        raise FileMissing from None


def _estimate_ahead(quote: Quote) -> None:
    """Ask the estimators before the transaction that prices, which then finds their answers in the cache."""
    fresh = Quote.objects.select_related("material").get(pk=quote.pk)
    if all(row.is_read for row in fresh.files.all()):
        with suppress(CannotEstimate, MaterialNotFound):
            estimate_quote(fresh, analyses_of(fresh), choice_of(fresh))


def _tell(quote: Quote, percent: int, note: str) -> None:
    """Say how far it is. No new version of the quote: nobody's work on it gets stale by that."""
    Quote.objects.filter(pk=quote.pk).update(progress_percent=percent, processing_note=note[:300])


@verb
def write_analysis(file: QuoteFile, analysis: ModelAnalysis, *, actor: User) -> QuoteFile:
    """Write what was seen in a file of a draft."""
    quote = locked(file.quote)
    file.refresh_from_db()
    if quote.status != Quote.Status.DRAFT:
        return file
    with stored() as names:
        set_analysis(file, analysis, names)
        file.save()
        write_parts(file, analysis)
    return file


@verb
def finish_reading(quote: Quote, *, refusal: str, actor: User) -> Quote:
    """Price a draft whose files were read, and submit it when that was asked for; or say why there is no price."""
    locked(quote)
    if quote.status != Quote.Status.DRAFT or quote.is_priced:
        return quote
    quote.progress_percent = None
    if refusal:
        clear_price(quote, refusal)
        quote.save()
        return quote
    price_now(quote)
    if quote.submit_when_priced:
        submit_quote(quote, actor=actor)
    return quote


def rescan_held_files(*, actor: User) -> int:
    """Ask the scanner for all files that wait for it, until it is away again; return how many were judged.

    Not a verb: the scanner is asked before the transaction that writes its answer.
    """
    judged = 0
    for row in QuoteFile.objects.filter(scan_result=ScanResult.HELD).select_related("quote").order_by("pk"):
        try:
            with row.file.open("rb") as stream:
                result = scan(stream)
        except FileNotFoundError:
            log.error("%s of %s waits for the scanner and is not in the storage", row, row.quote)
            continue
        if result.result == "held":
            note_held(row, result, actor=actor)
            if result.is_away:
                break
            continue
        judge_held_file(row, result, actor=actor)
        judged += 1
    return judged


@verb
def note_held(file: QuoteFile, result: Scan, *, actor: User) -> QuoteFile:
    """Keep why a file still waits, where that is news."""
    if file.scan_detail != result.detail:
        set_scan(file, result)
        file.save()
    return file


@verb
def judge_held_file(file: QuoteFile, result: Scan, *, actor: User) -> QuoteFile:
    """Write the scanner's word on a file that waited: it leaves the quarantine, or is removed.

    When no file of the quote waits any more, ``quotes.quote_uploaded`` gets it read.
    """
    quote = locked(file.quote)
    file.refresh_from_db()
    if file.scan_result != ScanResult.HELD:
        return file
    with stored() as names:
        set_scan(file, result)
        FileUploadLog.objects.filter(quote=quote, file_hash=file.sha256).update(virus_scan_result=result.result)
        if result.result == "infected":
            _remove_infected(quote, file, result, actor=actor)
        else:
            store_again(file, names)
            file.save()
            tell_stored(file)
        waiting = quote.files.filter(scan_result__in=(ScanResult.HELD, ScanResult.INFECTED)).exists()
        if quote.status == Quote.Status.DRAFT and not waiting:
            quote.processing_note, quote.progress_percent = READING, 0
            quote.save()
            emit("quotes.quote_uploaded", f"quotes.quote:{quote.pk}", id=quote.pk)
    return file


def _remove_infected(quote: Quote, file: QuoteFile, result: Scan, *, actor: User) -> None:
    remove_at_commit(file.file)
    file.file.name = ""
    file.save()
    refusal = InfectedFile("Our virus scanner found something in it.")
    FileUploadLog.objects.filter(quote=quote, file_hash=file.sha256).update(
        accepted=False, refusal=refusal.message[:300]
    )
    tell_infection(file.original_filename, file.sha256, result, actor=actor)
    if quote.status == Quote.Status.DRAFT:
        clear_price(quote, f"{file.original_filename}: {refusal.message}")
        quote.save()
