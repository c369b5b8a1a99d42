"""How a customer's files become a quote: looked at first, logged in any case, then written as one."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import PurePosixPath

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import Storage
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.utils.text import get_valid_filename

from blb3d.accounts.models import PortalSession, User
from blb3d.core.errors import BLB3DError
from blb3d.core.numbering import next_number
from blb3d.core.outbox import emit
from blb3d.core.verbs import verb
from quotes.errors import FileMissing, TooManyFiles
from quotes.modelfiles import ModelAnalysis, ReadLimits, UnusableFile, read_model
from quotes.modelfiles.errors import AskAnEngineer, FileTooLarge, UnknownFormat
from quotes.modelfiles.limits import MEBIBYTE
from quotes.models import FileUploadLog, Quote, QuoteFile, QuotePart
from quotes.selectors import Choice
from quotes.services.approval import submit_quote
from quotes.services.authority import allow_quoting
from quotes.services.pricing import check_texts, check_wishes, clear_price, locked, price_now, set_choice, valid_until
from sales.models import Customer
from sales.selectors import membership_of

log = logging.getLogger(__name__)

MAX_FILES = 20
MIME_TYPES = {"3mf": "model/3mf", "stl": "model/stl", "step": "model/step", "stp": "model/step"}
#: Names that Windows keeps for itself are made harmless by what is put in front of every stored name.
_STORED_NAME = 80
_CM3, _MM = Decimal("0.0001"), Decimal("0.01")
READING = "We are reading your file. The price follows in a moment."


class FilesRefused(UnusableFile):
    """At least one of the files cannot be used; ``details["files"]`` says which and why."""

    kind = "FILES_REFUSED"


class DuplicateFile(UnusableFile):
    """The same file was sent twice in one request."""

    kind = "FILE_DUPLICATE"


@dataclass(frozen=True)
class Upload:
    """A file as it came. ``size`` tells what came even where ``content`` was not kept, because there was too much."""

    name: str
    content: bytes = field(repr=False)
    content_type: str = ""
    size: int = -1
    sha256: str = ""

    @classmethod
    def of(cls, files: Sequence[UploadedFile]) -> list[Upload]:
        """Read uploads of the web framework; what goes over the limit, alone or together, is hashed but not kept."""
        uploads, room = [], _max_bytes()
        for file in files:
            digest, kept, size = hashlib.sha256(), bytearray(), 0
            for chunk in file.chunks():
                digest.update(chunk)
                size += len(chunk)
                if size <= room:
                    kept += chunk
            content = bytes(kept) if size <= room else b""
            room -= len(content)
            uploads.append(cls(file.name or "", content, file.content_type or "", size, digest.hexdigest()))
        return uploads

    @property
    def byte_count(self) -> int:
        """Bytes that came."""
        return len(self.content) if self.size < 0 else self.size

    @property
    def digest(self) -> str:
        """SHA-256 of what came."""
        return self.sha256 or hashlib.sha256(self.content).hexdigest()

    @property
    def plain_name(self) -> str:
        """The name without any folder or sign that cannot be shown."""
        name = PurePosixPath(self.name.replace("\\", "/")).name
        return "".join(sign for sign in name if sign.isprintable()).strip()[:255] or "model"

    @property
    def extension(self) -> str:
        """The name's ending, lower case: ``.3mf``."""
        return PurePosixPath(self.plain_name.lower()).suffix


@dataclass(frozen=True)
class QuoteRequest:
    """What somebody wants a price for. ``user`` and ``customer`` are None for a guest, who has a ``visit``.

    ``is_for_engineer`` takes files that only a person can judge; they are quoted after review.
    """

    files: Sequence[Upload]
    material_type: str
    quantity: int
    user: User | None = None
    customer: Customer | None = None
    visit: PortalSession | None = None
    product_name: str = ""
    color: str = ""
    quality: str = Quote.Quality.STANDARD
    infill_percent: int = 15
    finish: str = Quote.Finish.STANDARD
    rush: str = Quote.Rush.STANDARD
    special_instructions: str = ""
    customer_po_number: str = ""
    submit: bool = True
    is_for_engineer: bool = False
    ip_address: str = ""


@dataclass(frozen=True)
class CheckedRequest:
    """A request that can be met: its files were looked at (large ones only from outside) and logged."""

    request: QuoteRequest
    choice: Choice
    analyses: tuple[ModelAnalysis | None, ...]
    log_ids: tuple[int, ...]
    is_read: bool


def create_quote(request: QuoteRequest, *, actor: User) -> Quote:
    """Make a quote from files and wishes: see ``check_request`` and ``write_quote``, which this does in turn."""
    return write_quote(check_request(request, actor=actor), actor=actor)


def check_request(request: QuoteRequest, *, actor: User) -> CheckedRequest:
    """Look at the files and log every one of them, also when the request is refused.

    Not a verb: the log is committed by itself, so no transaction may be open, and reading files takes its time. Files
    above ``QUOTE_SYNC_MAX_MB`` together are looked at from outside only and read by a worker later.

    Raises:
        FilesRefused: a file cannot be used.
        InvalidValue, MaterialNotFound, MaterialNotAvailable: a wish cannot be met.
        NotAllowed: the actor may not ask for this customer.
    """
    analyses: list[ModelAnalysis | None] = []
    refusals: list[UnusableFile | None] = []
    try:
        allow_quoting(request.customer, actor=actor)
        if not 1 <= len(request.files) <= MAX_FILES:
            raise TooManyFiles(details={"files": len(request.files), "maximum": MAX_FILES})
        choice = check_wishes(
            material_type=request.material_type,
            color=request.color,
            quantity=request.quantity,
            quality=request.quality,
            infill_percent=request.infill_percent,
            finish=request.finish,
            rush=request.rush,
        )
        check_texts(_new_quote(request, choice, "Q-0"))
    except BLB3DError as error:
        _log_uploads(request, [error.message] * len(request.files))
        raise
    is_read = sum(upload.byte_count for upload in request.files) <= _sync_bytes()
    seen: set[str] = set()
    for upload in request.files:
        analysis, refusal = _look_at(upload, request, seen, is_read=is_read)
        analyses.append(analysis)
        refusals.append(refusal)
    log_ids = _log_uploads(request, [refusal.message if refusal else "" for refusal in refusals])
    refused = [(upload, refusal) for upload, refusal in zip(request.files, refusals, strict=True) if refusal]
    if refused:
        raise _refused(refused)
    return CheckedRequest(request, choice, tuple(analyses), tuple(log_ids), is_read)


def _look_at(
    upload: Upload, request: QuoteRequest, seen: set[str], *, is_read: bool
) -> tuple[ModelAnalysis | None, UnusableFile | None]:
    try:
        if upload.extension not in settings.ALLOWED_FILE_EXTENSIONS:  # type: ignore[misc]
            known = ", ".join(ending.lstrip(".").upper() for ending in settings.ALLOWED_FILE_EXTENSIONS)  # type: ignore[misc]
            raise UnknownFormat(f"Only {known} files can be quoted.")
        if upload.byte_count > _max_bytes():
            raise FileTooLarge(f"It is larger than {settings.MAX_UPLOAD_SIZE_MB} MB.")  # type: ignore[misc]
        if upload.byte_count > len(upload.content):
            raise FileTooLarge(f"The files are together larger than {settings.MAX_UPLOAD_SIZE_MB} MB.")  # type: ignore[misc]
        if upload.digest in seen:
            raise DuplicateFile("It was sent twice. Ask for a higher quantity instead.")
        seen.add(upload.digest)
        if is_read:
            return read_upload(upload.content, upload.plain_name), None
    except AskAnEngineer as error:
        return None, None if request.is_for_engineer else error
    except UnusableFile as error:
        return None, error
    return None, None


def read_upload(content: bytes, file_name: str) -> ModelAnalysis:
    """Read a model file within this installation's limits.

    Raises:
        UnusableFile: it is none, or cannot be quoted.
    """
    return read_model(content, file_name=file_name, limits=ReadLimits(max_bytes=_max_bytes()))


def _refused(refused: Sequence[tuple[Upload, UnusableFile]]) -> FilesRefused:
    upload, first = refused[0]
    rows = [
        {"file": one.plain_name, "kind": error.details.get("kind"), "reason": error.details["reason"]}
        for one, error in refused
    ]
    error = FilesRefused(first.details["reason"], details={"files": rows, "kind": first.details.get("kind")})
    error.message = f"{upload.plain_name} cannot be used: {first.details['reason']}"
    return error


def _max_bytes() -> int:
    return int(settings.MAX_UPLOAD_SIZE_MB) * MEBIBYTE  # type: ignore[misc]


def _sync_bytes() -> int:
    return int(settings.QUOTE_SYNC_MAX_MB) * MEBIBYTE  # type: ignore[misc]


def _log_uploads(request: QuoteRequest, refusals: Sequence[str]) -> list[int]:
    with transaction.atomic(durable=True):
        rows = [
            FileUploadLog(
                session_id=request.visit.session_id if request.visit is not None else "",
                user=request.user,
                ip_address=request.ip_address[:50],
                filename=upload.plain_name,
                file_hash=upload.digest,
                file_size_bytes=upload.byte_count,
                mime_type=upload.content_type[:100],
                virus_scan_result=QuoteFile.ScanResult.NOT_SCANNED,
                accepted=not refusal,
                refusal=refusal[:300],
            )
            for upload, refusal in zip(request.files, refusals, strict=True)
        ]
        for row in rows:
            row.save()
    return [row.pk for row in rows]


@verb
def write_quote(checked: CheckedRequest, *, actor: User) -> Quote:
    """Write the quote with its files, parts, filaments and price as one, and submit it when asked to.

    A quote whose files wait to be read stays a draft; ``quotes.quote_uploaded`` gets it read. Nothing is left in the
    storage when the transaction fails here.
    """
    request = checked.request
    allow_quoting(request.customer, actor=actor)
    quote = _new_quote(request, checked.choice, next_number("Q"))
    quote.save()
    FileUploadLog.objects.filter(pk__in=checked.log_ids).update(quote=quote)
    with _stored() as names:
        for upload, analysis in zip(request.files, checked.analyses, strict=True):
            _write_file(quote, upload, analysis, names)
        if not checked.is_read:
            quote.processing_note = READING
            quote.save()
            emit("quotes.quote_uploaded", f"quotes.quote:{quote.pk}", id=quote.pk, submit=request.submit)
            return quote
        price_now(quote)
        if request.submit:
            submit_quote(quote, actor=actor)
    return quote


def _new_quote(request: QuoteRequest, choice: Choice, number: str) -> Quote:
    names = [PurePosixPath(upload.plain_name).stem for upload in request.files]
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    quote = Quote(
        quote_number=number,
        user=request.user,
        customer=request.customer,
        portal_session=request.visit,
        product_name=request.product_name.strip() or f"{names[0][:180]}{more}",
        quality=request.quality,
        infill_percent=request.infill_percent,
        finish=request.finish,
        rush=request.rush,
        quantity=request.quantity,
        special_instructions=request.special_instructions.strip(),
        customer_po_number=request.customer_po_number.strip(),
        expires_at=valid_until(),
    )
    set_choice(quote, choice)
    return quote


@contextmanager
def _stored() -> Iterator[list[tuple[Storage, str]]]:
    """Give a list for what is written to the storage; delete that again when the block fails."""
    names: list[tuple[Storage, str]] = []
    try:
        yield names
    except BaseException:
        for storage, name in names:
            try:
                storage.delete(name)
            except OSError:
                log.exception("%s stays in the storage without a quote", name)
        raise


def _write_file(
    quote: Quote, upload: Upload, analysis: ModelAnalysis | None, names: list[tuple[Storage, str]]
) -> QuoteFile:
    row = QuoteFile(
        quote=quote,
        original_filename=upload.plain_name,
        sha256=upload.digest,
        size_bytes=upload.byte_count,
        mime_type=MIME_TYPES[upload.extension.lstrip(".")],
    )
    # What stands in front also keeps names apart that a file system takes for the same, or for its own.
    row.file.save(f"{row.sha256[:8]}-{safe_name(upload.plain_name)}", ContentFile(upload.content), save=False)
    names.append((row.file.storage, row.file.name or ""))
    if analysis is not None:
        _take_analysis(row, analysis, names)
    row.save()
    _write_parts(quote, row, analysis)
    return row


def safe_name(name: str) -> str:
    """Return a file name that every file system takes, its ending kept."""
    path = PurePosixPath(name)
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", get_valid_filename(f"x{path.stem}")[1:]).strip("_")
    return f"{stem[:_STORED_NAME] or 'model'}{path.suffix.lower()}"


def _take_analysis(row: QuoteFile, analysis: ModelAnalysis, names: list[tuple[Storage, str]]) -> None:
    row.format = analysis.format
    row.geometry = analysis.as_dict()
    if analysis.thumbnail_png:
        row.thumbnail.save(f"{row.sha256[:8]}-preview.png", ContentFile(analysis.thumbnail_png), save=False)
        names.append((row.thumbnail.storage, row.thumbnail.name or ""))


def _write_parts(quote: Quote, row: QuoteFile, analysis: ModelAnalysis | None) -> None:
    QuotePart.objects.bulk_create(
        QuotePart(
            quote=quote,
            file=row,
            name=part.name[:200],
            quantity=part.count,
            volume_cm3=(part.volume_mm3 / 1000).quantize(_CM3),
            size_x_mm=part.bbox_mm[0].quantize(_MM),
            size_y_mm=part.bbox_mm[1].quantize(_MM),
            size_z_mm=part.bbox_mm[2].quantize(_MM),
            is_watertight=part.watertight,
        )
        for part in (analysis.parts if analysis is not None else ())
    )


def read_uploaded_quote(quote_id: int, *, submit: bool, actor: User) -> None:
    """Read and price a quote whose files were too large for its request; a second time changes nothing.

    Not a verb: files are read before the transaction that writes what was seen. A file that cannot be used leaves the
    quote a draft that says so.
    """
    quote = Quote.objects.filter(pk=quote_id, status=Quote.Status.DRAFT).first()
    if quote is None or quote.is_priced:
        return
    analyses: dict[int, ModelAnalysis] = {}
    refusal = ""
    for row in quote.files.order_by("pk"):
        try:
            with row.file.open("rb") as file:
                analyses[row.pk] = read_upload(file.read(), row.original_filename)
        except FileNotFoundError:
            refusal = FileMissing.message
        except AskAnEngineer:
            log.info("%s of %s is for an engineer", row.original_filename, quote.quote_number)
        except UnusableFile as error:
            refusal = error.message
            FileUploadLog.objects.filter(quote=quote, file_hash=row.sha256).update(
                accepted=False, refusal=refusal[:300]
            )
    try:
        write_reading(quote, analyses=analyses, refusal=refusal, submit=submit, actor=actor)
    except BLB3DError as error:
        if error.transient:
            raise
        write_reading(quote, analyses={}, refusal=error.message, submit=False, actor=actor)


@verb
def write_reading(
    quote: Quote, *, analyses: dict[int, ModelAnalysis], refusal: str, submit: bool, actor: User
) -> Quote:
    """Write what was seen in a draft's files, price it, and submit it when that was asked for."""
    locked(quote)
    if quote.status != Quote.Status.DRAFT or quote.is_priced:
        return quote
    if refusal:
        clear_price(quote, refusal)
        quote.save()
        return quote
    with _stored() as names:
        for row in quote.files.filter(pk__in=analyses).order_by("pk"):
            analysis = analyses[row.pk]
            _take_analysis(row, analysis, names)
            row.save()
            QuotePart.objects.filter(file=row).delete()
            _write_parts(quote, row, analysis)
        price_now(quote)
        if submit:
            submit_quote(quote, actor=actor)
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
            price_now(quote)
            submit_quote(quote, actor=actor)
        else:
            quote.save()
        claimed.append(quote)
    return claimed
