"""Opening a zip package of a stranger: every name and size is checked before a byte is unpacked."""

from __future__ import annotations

import io
import stat
import zipfile
import zlib
from collections.abc import Callable
from typing import Any, NoReturn
from xml.etree.ElementTree import Element
from xml.parsers import expat

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from quotes.modelfiles.errors import DamagedFile, FileTooLarge, HostileFile, UnknownFormat
from quotes.modelfiles.limits import DEFAULT_LIMITS, MEBIBYTE, ReadLimits

ZIP_SIGNATURE = b"PK\x03\x04"
_DIRECTORY_ENTRY, _END = b"PK\x01\x02", b"PK\x05\x06"
_END_SIZE, _LOCAL_SIZE = 22, 30
_PLAIN_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_LONGEST_NAME = 400
_UNIX = 3
#: XML that is not a model is small: settings, relations, numbers of the slicer.
_LARGEST_XML = 8 * MEBIBYTE
_DEEPEST_XML, _MOST_ELEMENTS = 50, 150_000
_BROKEN = "The package is damaged or was not uploaded completely."


class Package:
    """The checked members of a zip package, readable by name; raises subclasses of ``UnusableFile``."""

    def __init__(self, data: bytes, limits: ReadLimits = DEFAULT_LIMITS) -> None:
        if len(data) > limits.max_bytes:
            raise FileTooLarge(f"It is larger than {limits.max_bytes // MEBIBYTE} MB.")
        if not data.startswith(ZIP_SIGNATURE):
            raise UnknownFormat("It is not a 3MF package.")
        # Before zipfile makes an object of each: a directory of 100 MB has two million entries.
        if data.count(_DIRECTORY_ENTRY) > limits.max_members:
            raise FileTooLarge(f"It holds more than {limits.max_members} files.")
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError) as error:
            raise DamagedFile(_BROKEN) from error
        if data.rfind(_END) + _END_SIZE + len(self._zip.comment) != len(data):
            raise DamagedFile("There is something behind the end of the package.")
        infos = self._zip.infolist()
        self._members = _checked(infos, limits)
        _refuse_overlap(infos, data, self._zip.start_dir)
        self._models: dict[str, bytes] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all files in the package."""
        return tuple(self._members)

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def size(self, name: str) -> int:
        """Unpacked bytes of one member, as its directory entry declares."""
        return self._members[name].file_size

    def read(self, name: str) -> bytes:
        """The unpacked bytes of one member: never more than its directory entry declares.

        Models are kept, because they are looked at more than once.
        """
        if name in self._models:
            return self._models[name]
        try:
            info = self._members[name]
        except KeyError as error:
            raise DamagedFile(f"The package lacks {name}.") from error
        with self.stream(name) as stream:
            # read() without a size would unpack everything before it cuts: the declared size may be a lie.
            content = stream.read(info.file_size)
        if len(content) != info.file_size:
            raise DamagedFile(_BROKEN)
        if name.lower().endswith(".model"):
            self._models[name] = content
        return content

    def stream(self, name: str) -> Stream:
        """One member to be read piece by piece."""
        try:
            return Stream(self._zip.open(self._members[name]))
        except _BROKEN_ZIP as error:
            raise DamagedFile(_BROKEN) from error


_BROKEN_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError, NotImplementedError, OSError)


class Stream:
    """A member that is being unpacked; what is wrong with it is a ``DamagedFile``."""

    def __init__(self, source: Any) -> None:
        self._source = source

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self._source.close()

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes more; empty at the end, where the checksum has been compared."""
        try:
            return self._source.read(size)
        except _BROKEN_ZIP as error:
            raise DamagedFile(_BROKEN) from error


def refuse_active_xml(content: bytes, name: str) -> None:
    """Refuse XML that declares a document type or entities, or hides them in another encoding."""
    if b"\x00" in content[:64]:
        raise DamagedFile(f"{name} is not UTF-8 text.")
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise _active_xml(name)


def parse_xml(content: bytes, name: str) -> Element:
    """Parse a small XML member; document types, entities and outside references are refused."""
    if len(content) > _LARGEST_XML:
        raise FileTooLarge(f"{name} is larger than {_LARGEST_XML // MEBIBYTE} MB.")
    _refuse_absurd_tree(content, name)
    try:
        return fromstring(content, forbid_dtd=True)
    except DefusedXmlException as error:
        raise _active_xml(name) from error
    except (ParseError, ValueError, LookupError) as error:
        raise DamagedFile(f"{name} is not valid XML.") from error


def walk_xml(content: bytes, name: str, start: Callable[[str, dict[str, str]], None]) -> None:
    """Call ``start(name without prefix, attributes)`` for every element of a member of any size, in file order."""

    def element(tag: str, attributes: dict[str, str]) -> None:
        start(tag.rpartition(":")[2], attributes)

    parser = expat.ParserCreate()
    parser.StartElementHandler = element
    _run(parser, content, name)


def _refuse_absurd_tree(content: bytes, name: str) -> None:
    """Count elements and depth before a tree is made of them."""
    depth = count = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth, count
        depth, count = depth + 1, count + 1
        if depth > _DEEPEST_XML or count > _MOST_ELEMENTS:
            raise FileTooLarge(f"{name} holds too much.")

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = start, end
    _run(parser, content, name)


def _run(parser: expat.XMLParserType, content: bytes, name: str) -> None:
    """Parse to the end; document types are refused before anything of them is read."""

    def refuse(*_: object) -> NoReturn:
        raise _active_xml(name)

    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise DamagedFile(f"{name} is not valid XML.") from error


def _active_xml(name: str) -> HostileFile:
    return HostileFile(f"{name} declares XML entities, which a 3MF never needs.")


def _checked(infos: list[zipfile.ZipInfo], limits: ReadLimits) -> dict[str, zipfile.ZipInfo]:
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
    return members


def _check_entry(info: zipfile.ZipInfo, limits: ReadLimits) -> None:
    # orig_filename: zipfile itself cuts names at NUL and turns os separators into slashes.
    name = info.orig_filename
    if "\\" in name or ":" in name or name.startswith("/") or ".." in name.split("/"):
        raise HostileFile("A file name in the package points outside of it.")
    if len(name) > _LONGEST_NAME or any(sign < " " for sign in name):
        raise HostileFile("A file name in the package is absurd.")
    kind = stat.S_IFMT(info.external_attr >> 16) if info.create_system == _UNIX else 0
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise HostileFile("The package holds a link or a device.")
    if info.flag_bits & 0x1:
        raise DamagedFile("The package is encrypted.")
    if info.compress_type not in _PLAIN_METHODS:
        raise DamagedFile("The package uses a compression that 3MF does not allow.")
    if info.file_size > MEBIBYTE and info.file_size > limits.max_ratio * max(info.compress_size, 1):
        raise HostileFile("A file in the package unpacks to an absurd size.")


def _refuse_overlap(infos: list[zipfile.ZipInfo], data: bytes, directory: int) -> None:
    """Entries that share bytes are how a small archive unpacks to petabytes; nothing lies in front of the first."""
    end = 0
    for info in sorted(infos, key=lambda item: item.header_offset):
        at = info.header_offset
        if at < end:
            raise HostileFile("Files in the package overlap.")
        if not end and at:
            raise HostileFile("Something is hidden in front of the package.")
        # The local header has lengths of its own, behind which other entries could hide.
        lengths = data[at + 26 : at + _LOCAL_SIZE]
        names = int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little")
        end = at + _LOCAL_SIZE + names + info.compress_size
    if end > directory:
        raise HostileFile("Files in the package overlap.")
