"""Opening a zip package of a stranger: every name and size is checked before a byte is unpacked."""

from __future__ import annotations

import io
import zipfile
import zlib
from xml.etree.ElementTree import Element

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from quotes.modelfiles.errors import DamagedFile, FileTooLarge, HostileFile, UnknownFormat
from quotes.modelfiles.limits import DEFAULT_LIMITS, MEBIBYTE, ReadLimits

ZIP_SIGNATURE = b"PK\x03\x04"
_PLAIN_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}


class Package:
    """The checked members of a zip package, readable by name; raises subclasses of ``UnusableFile``."""

    def __init__(self, data: bytes, limits: ReadLimits = DEFAULT_LIMITS) -> None:
        if len(data) > limits.max_bytes:
            raise FileTooLarge(f"It is larger than {limits.max_bytes // MEBIBYTE} MB.")
        if not data.startswith(ZIP_SIGNATURE):
            raise UnknownFormat("It is not a 3MF package.")
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError) as error:
            raise DamagedFile("The package is damaged or was not uploaded completely.") from error
        self._members = _checked(self._zip.infolist(), limits)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all files in the package."""
        return tuple(self._members)

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def read(self, name: str) -> bytes:
        """The unpacked bytes of one member: never more than its directory entry declares."""
        try:
            return self._zip.read(self._members[name])
        except KeyError as error:
            raise DamagedFile(f"The package lacks {name}.") from error
        except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError, NotImplementedError) as error:
            raise DamagedFile("The package is damaged or was not uploaded completely.") from error

    def repacked(self, *, without: tuple[str, ...]) -> bytes:
        """The package again, stored and made only of checked bytes, for readers that unpack on their own.

        ``without`` are name endings to leave out.
        """
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as target:
            for name in self._members:
                if not name.lower().endswith(without):
                    content = self.read(name)
                    if name.lower().endswith((".model", ".rels", ".xml")):
                        refuse_active_xml(content, name)
                    target.writestr(zipfile.ZipInfo(name), content)
        return buffer.getvalue()


def refuse_active_xml(content: bytes, name: str) -> None:
    """Refuse XML that declares a document type or entities, or hides them in another encoding."""
    if b"\x00" in content[:64]:
        raise DamagedFile(f"{name} is not UTF-8 text.")
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise HostileFile(f"{name} declares XML entities, which a 3MF never needs.")


def parse_xml(content: bytes, name: str) -> Element:
    """Parse a small XML member; document types, entities and outside references are refused."""
    try:
        return fromstring(content, forbid_dtd=True)
    except DefusedXmlException as error:
        raise HostileFile(f"{name} declares XML entities, which a 3MF never needs.") from error
    except (ParseError, ValueError, LookupError) as error:
        raise DamagedFile(f"{name} is not valid XML.") from error


def _checked(infos: list[zipfile.ZipInfo], limits: ReadLimits) -> dict[str, zipfile.ZipInfo]:
    if len(infos) > limits.max_members:
        raise FileTooLarge(f"It holds more than {limits.max_members} files.")
    if sum(info.file_size for info in infos) > limits.max_unpacked:
        raise FileTooLarge(f"It unpacks to more than {limits.max_unpacked // MEBIBYTE} MB.")
    members: dict[str, zipfile.ZipInfo] = {}
    seen: set[str] = set()
    for info in infos:
        _check_entry(info, limits)
        if info.filename.lower() in seen:
            raise HostileFile("Two files in the package share one name.")
        seen.add(info.filename.lower())
        if not info.is_dir():
            members[info.filename] = info
    _refuse_overlap(infos)
    return members


def _check_entry(info: zipfile.ZipInfo, limits: ReadLimits) -> None:
    # orig_filename: zipfile itself cuts names at NUL and turns os separators into slashes.
    name = info.orig_filename
    if "\x00" in name or "\\" in name or ":" in name or name.startswith("/") or ".." in name.split("/"):
        raise HostileFile("A file name in the package points outside of it.")
    if info.flag_bits & 0x1:
        raise DamagedFile("The package is encrypted.")
    if info.compress_type not in _PLAIN_METHODS:
        raise DamagedFile("The package uses a compression that 3MF does not allow.")
    if info.file_size > MEBIBYTE and info.file_size > limits.max_ratio * max(info.compress_size, 1):
        raise HostileFile("A file in the package unpacks to an absurd size.")


def _refuse_overlap(infos: list[zipfile.ZipInfo]) -> None:
    """Entries that share bytes are how a small archive unpacks to petabytes."""
    end = 0
    for info in sorted(infos, key=lambda item: item.header_offset):
        if info.header_offset < end:
            raise HostileFile("Files in the package overlap.")
        end = info.header_offset + 30 + len(info.orig_filename) + info.compress_size
