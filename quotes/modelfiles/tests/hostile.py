"""Files made to harm their reader, or to be priced wrongly by it: every kind with what the reader must answer.

``KINDS`` maps a name to a ``Hostile``: the file's name, how its bytes are made, and the expected kind of refusal, or
``READ`` for what is harmless once it is read within bounds. Nothing here is larger than a few megabytes: what is
absurd is only declared, or packed.
"""

from __future__ import annotations

import json
import random
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from quotes.modelfiles.tests.packages import (
    CONTENT_TYPES,
    PRODUCTION,
    box_object,
    cube_package,
    model,
    package,
    relations,
    slice_info,
    step_assembly,
    zipped,
)

READ = "READ"
FORMAT, DAMAGED, TOO_LARGE = "FILE_FORMAT", "FILE_DAMAGED", "FILE_TOO_LARGE"
HOSTILE, EMPTY, PERSON = "FILE_HOSTILE", "FILE_EMPTY", "FILE_NEEDS_PERSON"

MEBIBYTE = 1024 * 1024
ITEM = '<item objectid="1"/>'
CUBE = model(box_object(1, 20, 20, 20), ITEM).replace('.0"', '"')
LAUGHS = (
    '<!DOCTYPE l [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(10))
    + "]>"
)


@dataclass(frozen=True)
class Hostile:
    """One kind: ``expected`` is the kind of the refusal, or READ."""

    file_name: str
    expected: str
    make: Callable[[], bytes]


@dataclass(frozen=True)
class Entry:
    """A member of a hand-made zip archive; None takes the true value."""

    name: bytes
    content: bytes
    method: int = zipfile.ZIP_DEFLATED
    packed: bytes | None = None
    size: int | None = None
    packed_size: int | None = None
    crc: int | None = None
    flags: int = 0
    mode: int = 0
    local_extra: bytes = b""
    offset: int | None = None
    written: bool = True


def raw_zip(entries: Iterable[Entry], *, comment: bytes = b"", count: int | None = None, shift: int = 0) -> bytes:
    """A zip archive whose directory says what it is told to say."""
    body, directory, number = bytearray(), bytearray(), 0
    for entry in entries:
        number += 1
        packed = entry.packed
        if packed is None:
            packed = _deflated(entry.content) if entry.method == zipfile.ZIP_DEFLATED else entry.content
        crc = zlib.crc32(entry.content) if entry.crc is None else entry.crc
        size = len(entry.content) if entry.size is None else entry.size
        packed_size = len(packed) if entry.packed_size is None else entry.packed_size
        common = struct.pack("<HHHHIIIH", entry.flags, entry.method, 0, 33, crc, packed_size, size, len(entry.name))
        at = len(body) if entry.offset is None else entry.offset
        if entry.written:
            body += b"PK\x03\x04" + struct.pack("<H", 20) + common
            body += struct.pack("<H", len(entry.local_extra)) + entry.name + entry.local_extra + packed
        made_on_unix = 3 << 8 | 20
        directory += b"PK\x01\x02" + struct.pack("<HH", made_on_unix, 20) + common
        directory += struct.pack("<HHHHII", 0, 0, 0, 0, entry.mode << 16, at) + entry.name
    count = number if count is None else count
    end = struct.pack("<HHHHIIH", 0, 0, count & 0xFFFF, count & 0xFFFF, len(directory), len(body) + shift, len(comment))
    return bytes(body + directory) + b"PK\x05\x06" + end + comment


def _deflated(content: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(content) + packer.flush()


def cube_entries(root: str = CUBE) -> list[Entry]:
    """The members of a sound package with one cube."""
    members = {"[Content_Types].xml": CONTENT_TYPES, "_rels/.rels": relations("/3D/3dmodel.model")}
    return [Entry(name.encode(), text.encode()) for name, text in (members | {"3D/3dmodel.model": root}).items()]


def cube_with(*entries: Entry) -> bytes:
    """A sound package with one cube and these members besides."""
    return raw_zip([*cube_entries(), *entries])


def noise(size: int, seed: int = 7) -> bytes:
    """Letters that do not pack well."""
    return random.Random(seed).randbytes(size // 2).hex().encode()


KINDS: dict[str, Hostile] = {}


def _kind(name: str, expected: str, make: Callable[[], bytes], file_name: str = "part.3mf") -> None:
    assert name not in KINDS
    KINDS[name] = Hostile(file_name, expected, make)


def _model_kind(name: str, expected: str, old: str, new: str | Callable[[], str]) -> None:
    """The cube with one piece of its text replaced."""
    assert old in CUBE, old
    _kind(name, expected, lambda: package(CUBE.replace(old, new if isinstance(new, str) else new())))


def _member_kind(name: str, expected: str, member: str, content: Callable[[], str | bytes]) -> None:
    """The cube with one member more, or another one of that name."""
    _kind(name, expected, lambda: package(CUBE, others={member: content()}))


# ---------------------------------------------------------------------------------------------------- zip archives


def _many_small_bombs() -> bytes:
    nothing = bytes(MEBIBYTE - 1)
    packed = _deflated(nothing)
    bomb = Entry(b"", b"", packed=packed, size=len(nothing), crc=zlib.crc32(nothing))
    return cube_with(*(replace(bomb, name=b"Metadata/%d.txt" % number) for number in range(620)))


def _same_bytes_many_names() -> bytes:
    return cube_with(
        Entry(b"a.model", bytes(5000)),
        *(Entry(b"%d.model" % number, bytes(5000), offset=0, written=False) for number in range(200)),
    )


def _hidden_behind_extra_fields() -> bytes:
    """The first entry's extra field swallows the second's header, so that both unpack the same bytes."""
    content = noise(400)
    inner = struct.pack("<HHHHHIIIHH", 20, 0, 0, 0, 33, zlib.crc32(content), len(content), len(content), 1, 0)
    swallowed = (
        b"\x01\x99" + struct.pack("<H", len(content) * 2) + bytes(len(content) * 2) + b"PK\x03\x04" + inner + b"b"
    )
    first = Entry(b"a", content, method=zipfile.ZIP_STORED, local_extra=swallowed)
    second = Entry(
        b"b",
        content,
        method=zipfile.ZIP_STORED,
        offset=30 + 1 + len(swallowed) - 31,
        written=False,
    )
    return raw_zip([first, second, *cube_entries()])


def _lying_bomb() -> bytes:
    """Declares 5,000 bytes and unpacks to 64 MiB."""
    return cube_with(Entry(b"3D/more.model", bytes(64 * MEBIBYTE), size=5000))


def _nested(depth: int = 12) -> bytes:
    inner = b"bottom"
    for _ in range(depth):
        inner = zipped({"inner.zip": inner})
    return inner


def _crowded_directory() -> bytes:
    return raw_zip([*cube_entries(), *(Entry(b"m%d" % n, b"", method=zipfile.ZIP_STORED) for n in range(40_000))])


def _flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


def _garbage_directory() -> bytes:
    data = package(CUBE)
    start = data.index(b"PK\x01\x02")
    return data[:start] + b"PK\x01\x02" + noise(len(data) - start - 26)[: len(data) - start - 26] + data[-22:]


def _zip64_lies() -> bytes:
    data = package(CUBE)
    record = b"PK\x06\x06" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 2**40, 2**40, 2**50, 0)
    locator = b"PK\x06\x07" + struct.pack("<IQI", 0, len(data) - 22, 1)
    return data[:-22] + record + locator + data[-22:]


_kind("zip_bomb_flat", HOSTILE, lambda: package(CUBE, others={"3D/big.model": bytes(50 * MEBIBYTE)}))
_kind("zip_bomb_of_many_small_ones", TOO_LARGE, _many_small_bombs)
_kind("zip_bomb_that_lies_about_its_size", DAMAGED, _lying_bomb)
_kind("zip_bomb_that_says_it_is_one", HOSTILE, lambda: cube_with(Entry(b"x.txt", b"x", size=500 * MEBIBYTE)))
_kind("zip_of_petabytes", TOO_LARGE, lambda: cube_with(*(Entry(b"%d" % n, b"x", size=2**32 - 2) for n in range(9))))
_kind("zip_in_zip_in_zip", READ, lambda: package(CUBE, others={"Metadata/inner.zip": _nested()}))
_kind("zip_entries_share_bytes", HOSTILE, _same_bytes_many_names)
_kind("zip_entries_overlap_behind_extra_fields", HOSTILE, _hidden_behind_extra_fields)
_kind("zip_size_declared_too_small", DAMAGED, lambda: cube_with(Entry(b"3D/a.model", CUBE.encode(), size=50)))
_kind("zip_size_declared_too_large", DAMAGED, lambda: cube_with(Entry(b"3D/a.model", CUBE.encode(), size=90_000)))
_kind("zip_packed_size_beyond_the_end", HOSTILE, lambda: cube_with(Entry(b"a.model", b"x", packed_size=2**31)))
_kind("zip_wrong_checksum", DAMAGED, lambda: cube_with(Entry(b"3D/a.model", CUBE.encode(), crc=1)))
_kind("zip_with_40000_members", TOO_LARGE, _crowded_directory)
_kind("zip_endless_name", HOSTILE, lambda: cube_with(Entry(b"a" * 65_000, b"x")))
for label, bad in {
    "parent": b"../../evil.model",
    "parent_in_the_middle": b"3D/../../evil.model",
    "root": b"/etc/passwd",
    "drive": b"C:/evil.model",
    "backslash": b"3D\\..\\evil.model",
    "nul": b"3D/evil.model\x00.png",
    "stream": b"3D/3dmodel.model::$DATA",
    "bell": b"3D/\x07evil.model",
}.items():
    _kind(f"zip_name_{label}", HOSTILE, lambda bad=bad: cube_with(Entry(bad, b"x")))  # type: ignore[misc]
_kind("zip_name_twice", HOSTILE, lambda: cube_with(Entry(b"3D/3dmodel.model", CUBE.encode())))
_kind("zip_name_twice_but_for_case", HOSTILE, lambda: cube_with(Entry(b"3d/3DMODEL.MODEL", CUBE.encode())))
_kind("zip_symbolic_link", HOSTILE, lambda: cube_with(Entry(b"3D/l.model", b"/etc/passwd", mode=stat.S_IFLNK | 0o777)))
_kind("zip_device", HOSTILE, lambda: cube_with(Entry(b"3D/zero", b"", mode=stat.S_IFCHR | 0o666)))
_kind("zip_encrypted", DAMAGED, lambda: cube_with(Entry(b"3D/a.model", b"x" * 50, flags=1)))
_kind("zip_lzma", DAMAGED, lambda: cube_with(Entry(b"3D/a.model", b"x" * 50, method=zipfile.ZIP_LZMA)))
_kind("zip_bzip2", DAMAGED, lambda: cube_with(Entry(b"3D/a.model", b"x" * 50, method=zipfile.ZIP_BZIP2)))
_kind("zip_method_99", DAMAGED, lambda: cube_with(Entry(b"3D/a.model", b"x" * 50, method=99)))
for percent in (1, 10, 50, 90, 99):
    _kind(
        f"zip_cut_at_{percent}_percent",
        DAMAGED,
        lambda percent=percent: (data := package(CUBE))[: max(5, len(data) * percent // 100)],  # type: ignore[misc]
    )
_kind("zip_garbage_directory", DAMAGED, _garbage_directory)
_kind("zip_without_an_end", DAMAGED, lambda: package(CUBE)[:-22])
_kind("zip_directory_elsewhere", HOSTILE, lambda: raw_zip(cube_entries(), shift=70_000))
_kind("zip_directory_shifted_back", HOSTILE, lambda: raw_zip(cube_entries(), shift=-40))
_kind("zip_64_lies", DAMAGED, _zip64_lies)
_kind("zip_flipped_byte", DAMAGED, lambda: _flipped(data := package(CUBE), data.index(b"3dmodel.model") + 60))
_kind("zip_with_a_long_comment", READ, lambda: raw_zip(cube_entries(), comment=noise(60_000)))
_kind("zip_comment_with_a_second_end", DAMAGED, lambda: raw_zip(cube_entries(), comment=package(CUBE)[-22:] + b"x"))
_kind("zip_that_is_no_package", DAMAGED, lambda: zipped({"readme.txt": "hello"}))
_kind("zip_of_folders_only", DAMAGED, lambda: raw_zip([Entry(b"3D/", b""), Entry(b"_rels/", b"")]))
_kind("zip_signature_only", DAMAGED, lambda: b"PK\x03\x04")

# ------------------------------------------------------------------------------------ what is not what it says it is

PE = b"MZ" + bytes(58) + struct.pack("<I", 64) + b"PE\x00\x00" + bytes(200)
ELF = b"\x7fELF\x02\x01\x01" + bytes(200)
HTML = b"<!DOCTYPE html><script>alert(1)</script>"

_kind("empty_file", FORMAT, lambda: b"")
_kind("one_byte", FORMAT, lambda: b"P")
_kind("empty_stl", FORMAT, lambda: b"", "part.stl")
for label, front in {"pe": PE, "elf": ELF, "html": HTML, "pdf": b"%PDF-1.7\n", "gif": b"GIF89a"}.items():
    _kind(f"polyglot_{label}_before_zip", FORMAT, lambda front=front: front + package(CUBE))  # type: ignore[misc]
_kind("polyglot_pe_behind_zip", DAMAGED, lambda: package(CUBE) + PE)
_kind("polyglot_hidden_in_front_of_the_archive", HOSTILE, lambda: b"PK\x03\x04" + PE + package(CUBE))
for ending in ("3mf", "stl", "step", "gcode"):
    _kind(f"executable_named_{ending}", FORMAT, lambda: PE, f"part.{ending}")
    _kind(f"page_named_{ending}", FORMAT, lambda: HTML, f"part.{ending}")
_kind("3mf_named_stl", FORMAT, cube_package, "part.stl")
_kind("3mf_with_two_endings", FORMAT, cube_package, "part.3mf.exe")

# ----------------------------------------------------------------------------------------------------------- XML


def _with_declaration(text: str, declaration: str) -> str:
    head, rest = text.split("?>", 1)
    return f"{head}?>{declaration}{rest}"


EXTERNAL = '<!DOCTYPE m [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
PARAMETER = '<!DOCTYPE m [<!ENTITY % x SYSTEM "http://127.0.0.1:9/x.dtd"> %x;]>'
QUADRATIC = f'<!DOCTYPE m [<!ENTITY a "{"x" * 20_000}">]>'

_kind("xml_billion_laughs", HOSTILE, lambda: package(_with_declaration(CUBE, LAUGHS).replace("Cube", "&k;")))
_kind("xml_quadratic_entity", HOSTILE, lambda: package(_with_declaration(CUBE, QUADRATIC) + "&a;" * 2000))
_kind("xml_external_entity", HOSTILE, lambda: package(_with_declaration(CUBE, EXTERNAL)))
_kind("xml_parameter_entity", HOSTILE, lambda: package(_with_declaration(CUBE, PARAMETER)))
_kind("xml_plain_document_type", HOSTILE, lambda: package(_with_declaration(CUBE, '<!DOCTYPE m SYSTEM "x.dtd">')))
_member_kind(
    "xml_entities_in_slice_info",
    HOSTILE,
    "Metadata/slice_info.config",
    lambda: _with_declaration(slice_info(), LAUGHS),
)
_member_kind(
    "xml_entities_in_settings",
    HOSTILE,
    "Metadata/model_settings.config",
    lambda: LAUGHS + '<config><object id="1"><part subtype="modifier_part"/></object></config>',
)
_member_kind(
    "xml_entities_in_relations",
    HOSTILE,
    "_rels/.rels",
    lambda: _with_declaration(relations("/3D/3dmodel.model"), LAUGHS),
)
_member_kind(
    "xml_crowd_of_types",
    TOO_LARGE,
    "[Content_Types].xml",
    lambda: CONTENT_TYPES.replace(
        "</Types>", "".join(f'<Override PartName="/{n}" ContentType="{n}"/>' for n in range(20_000)) + "</Types>"
    ),
)
_member_kind("xml_entities_in_types", HOSTILE, "[Content_Types].xml", lambda: _with_declaration(CONTENT_TYPES, LAUGHS))
_kind("xml_utf16", DAMAGED, lambda: package(_with_declaration(CUBE, LAUGHS).encode("utf-16")))  # type: ignore[arg-type]
_kind("xml_utf16_without_mark", DAMAGED, lambda: package(CUBE.encode("utf-16-le")))  # type: ignore[arg-type]
_kind("xml_utf32", DAMAGED, lambda: package(CUBE.encode("utf-32")))  # type: ignore[arg-type]
_kind(
    "xml_utf7",
    DAMAGED,
    lambda: package(
        CUBE.replace("UTF-8", "UTF-7").replace(
            "<model", "+ADwAIQ-DOCTYPE m [+ADwAIQ-ENTITY a +ACI-b+ACIAPgBdAD4-<model"
        )
    ),
)
_kind("xml_ebcdic", DAMAGED, lambda: package(CUBE.replace("UTF-8", "cp037").encode("cp037")))  # type: ignore[arg-type]
_kind("xml_deep_nesting", READ, lambda: package(CUBE.replace("<resources>", "<a>" * 200_000 + "<resources>")))
_kind(
    "xml_deep_nesting_that_is_closed",
    DAMAGED,
    lambda: package(CUBE.replace("</model>", "<q:z xmlns:q='urn:q'>" * 3_000 + "</q:z>" * 3_000 + "</model>")),
)
_member_kind(
    "xml_deep_nesting_in_settings",
    TOO_LARGE,
    "Metadata/model_settings.config",
    lambda: "<config>" + "<a>" * 300_000,
)
_member_kind(
    "xml_deep_nesting_in_relations",
    TOO_LARGE,
    "3D/_rels/3dmodel.model.rels",
    lambda: "<Relationships>" + "<a>" * 300_000,
)
_model_kind("xml_huge_attribute", DAMAGED, 'name=""', lambda: f'name="{noise(3 * MEBIBYTE).decode()}"')
_model_kind(
    "xml_hundred_thousand_attributes",
    EMPTY,
    '<item objectid="1"/>',
    lambda: '<item objectid="1" ' + " ".join(f'a{n}="{n}"' for n in range(100_000)) + "/>",
)
_model_kind("xml_gigantic_comment", DAMAGED, "<resources>", lambda: f"<!--{noise(5 * MEBIBYTE).decode()}--><resources>")
_model_kind("xml_unclosed_comment", DAMAGED, "<resources>", "<!-- <resources>")
_model_kind("xml_stylesheet", READ, "<model", '<?xml-stylesheet href="http://127.0.0.1:9/x.xsl"?><model')
_model_kind("xml_undeclared_prefix", PERSON, "<item ", '<q:thing/><item q:x="1" ')
_model_kind("xml_cut", DAMAGED, "</mesh>", "")
_model_kind("xml_tag_of_letters", DAMAGED, "<model ", lambda: "<model " + "a" * 900_000 + " ")
_model_kind("xml_tag_of_prefixes", PERSON, "<model ", lambda: "<model " + "a:" * 450_000 + " ")
_model_kind("xml_tag_of_spaces", DAMAGED, "<model ", lambda: "<model" + " " * 900_000)
_model_kind("xml_not_xml", DAMAGED, "<resources>", "\x01\x02 & < <resources>")

# --------------------------------------------------------------------------------------------------------- models


def _levels(first: str, *, levels: int = 11, width: int = 10, holder: str = '<object id="{0}" type="model">') -> str:
    """Objects of ten components each, eleven levels deep: 10^11 pieces for a reader that walks them."""
    text = "".join(
        holder.format(level)
        + "<components>"
        + f'<component objectid="{level - 1}"/>' * width
        + "</components></object>"
        for level in range(2, levels + 2)
    )
    return model(first + text, f'<item objectid="{levels + 1}"/>')


def _levels_with_coded_numbers() -> str:
    text = "".join(
        f'<object id="{level}" type="model"><components>'
        + f'<component objectid="&#x3{(level - 1) // 10};&#x3{(level - 1) % 10};"/>' * 10
        + "</components></object>"
        for level in range(2, 12)
    )
    return model(box_object(1, 20, 20, 20) + text, '<item objectid="11"/>')


def _levels_behind_comments() -> str:
    decoy = '<object id="{0}" type="model"><!-- <object id="999{0}" type="model"> -->'
    return _levels(box_object(1, 20, 20, 20), holder=decoy)


def _decoy_path() -> bytes:
    other = model(box_object(1, 20, 20, 20), "", attributes=f'xmlns:p="{PRODUCTION}"')
    holder = (
        '<object id="2" type="model"><components><component x:path="/3D/decoy.model" '
        'p:path="/3D/other.model" objectid="1"/></components></object>'
    )
    root = model(holder, '<item objectid="2"/>', attributes=f'xmlns:p="{PRODUCTION}" xmlns:x="urn:x"')
    rels = relations("/3D/other.model")
    others: dict[str, str | bytes] = {
        "3D/other.model": other,
        "3D/decoy.model": other,
        "3D/_rels/3dmodel.model.rels": rels,
    }
    return package(root, others=others)


def _circle() -> str:
    def holder(number: int, other: int) -> str:
        return f'<object id="{number}" type="model"><components><component objectid="{other}"/></components></object>'

    return model(holder(2, 3) + holder(3, 2), '<item objectid="2"/>')


for label, value in {
    "nan": "nan",
    "infinite": "inf",
    "minus_infinite": "-inf",
    "1e308": "1e308",
    "1e30": "1e30",
    "word": "twenty",
    "nothing": "",
    "long": "9" * 5_000,
}.items():
    _model_kind(f"model_coordinate_{label}", DAMAGED, 'x="20"', f'x="{value}"')
_model_kind("model_coordinate_hex", EMPTY, 'x="20"', 'x="0x20"')
_model_kind("model_corner_out_of_range", DAMAGED, 'v1="0"', 'v1="999"')
_model_kind("model_corner_negative", DAMAGED, 'v1="0"', 'v1="-1"')
_model_kind("model_corner_overflows", READ, 'v1="0"', 'v1="4294967296"')
_model_kind("model_corner_fraction", DAMAGED, 'v1="0"', 'v1="0.5"')
_model_kind("model_object_number_huge", DAMAGED, 'id="1"', 'id="99999999999999999999"')
_model_kind("model_object_number_negative", DAMAGED, '<object id="1"', '<object id="-1"')
_model_kind("model_item_of_nothing", DAMAGED, ITEM, '<item objectid="7"/>')
_model_kind("model_unknown_unit", DAMAGED, 'unit="millimeter"', 'unit="furlong"')
for label, matrix in {
    "nan": "nan 0 0 0 1 0 0 0 1 0 0 0",
    "far_away": "1 0 0 0 1 0 0 0 1 1e30 0 0",
    "huge_scale": "1e20 0 0 0 1e20 0 0 0 1e20 0 0 0",
    "singular": "1 0 0 1 0 0 0 0 1 0 0 0",
    "zero": "0 0 0 0 0 0 0 0 0 0 0 0",
    "tiny": "1e-9 0 0 0 1e-9 0 0 0 1e-9 0 0 0",
    "short": "1 0 0 0 1 0",
    "words": "one 0 0 0 one 0 0 0 one 0 0 0",
}.items():
    _model_kind(f"model_transform_{label}", DAMAGED, ITEM, f'<item objectid="1" transform="{matrix}"/>')
_kind(
    "model_object_crowd",
    TOO_LARGE,
    lambda: package(model("".join(f'<basematerials id="{n}"/>' for n in range(2, 30_000)), ITEM)),
)
_model_kind("model_item_crowd", TOO_LARGE, ITEM, ITEM * 5_001)
_model_kind("model_without_items", EMPTY, ITEM, "")
_kind("model_without_build", DAMAGED, lambda: package(CUBE.replace(f"<build>{ITEM}</build>", "")))
_kind("model_without_anything", EMPTY, lambda: package(model("", "")))
_kind("model_that_is_empty", DAMAGED, lambda: package(""))
_kind("model_flat", EMPTY, lambda: package(model(box_object(1, 20, 20, 0), ITEM)))
_kind("model_point", EMPTY, lambda: package(model(box_object(1, 0, 0, 0), ITEM)))
_kind("model_dust", EMPTY, lambda: package(model(box_object(1, 0.05, 0.05, 0.05), ITEM)))
_model_kind("model_with_one_far_corner", DAMAGED, '<vertex x="20"', '<vertex x="2e11"')
_kind("model_as_large_as_a_town", DAMAGED, lambda: package(model(box_object(1, 9e5, 9e5, 9e5), ITEM)))
_kind("model_of_two_objects_with_one_number", DAMAGED, lambda: package(model(box_object(1, 9, 9, 9) * 2, ITEM)))
_kind(
    "components_of_themselves",
    TOO_LARGE,
    lambda: package(
        model('<object id="2" type="model"><components><component objectid="2"/></components></object>', ITEM)
    ),
)
_kind("components_in_a_circle", TOO_LARGE, lambda: package(_circle()))
_kind("components_that_multiply", TOO_LARGE, lambda: package(_levels(box_object(1, 20, 20, 20))))
_kind(
    "components_that_multiply_behind_a_name",
    TOO_LARGE,
    lambda: package(_levels(box_object(1, 9, 9, 9), holder='<object name="a>b" id="{0}" type="model">')),
)
_kind("components_that_multiply_behind_comments", TOO_LARGE, lambda: package(_levels_behind_comments()))
_kind("components_with_coded_numbers", TOO_LARGE, lambda: package(_levels_with_coded_numbers()))
_kind("components_nested_deeply", TOO_LARGE, lambda: package(_levels(box_object(1, 9, 9, 9), levels=60, width=1)))
_kind("components_with_two_paths", DAMAGED, _decoy_path)

# ------------------------------------------------------------------------------------------------- relationships


def _relations_of(*targets: str, mode: str = "") -> str:
    rows = "".join(
        f'<Relationship Target="{target}" Id="r{number}" {mode} '
        'Type="http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"/>'
        for number, target in enumerate(targets)
    )
    namespace = "http://schemas.openxmlformats.org/package/2006/relationships"
    return f'<?xml version="1.0" encoding="UTF-8"?><Relationships xmlns="{namespace}">{rows}</Relationships>'


_kind("relations_missing", DAMAGED, lambda: zipped({"[Content_Types].xml": CONTENT_TYPES, "3D/3dmodel.model": CUBE}))
_member_kind("relations_to_nothing", DAMAGED, "_rels/.rels", lambda: _relations_of("/3D/other.model"))
_member_kind("relations_empty", DAMAGED, "_rels/.rels", _relations_of)
_member_kind("relations_outside", DAMAGED, "_rels/.rels", lambda: _relations_of("/../../etc/passwd"))
_member_kind(
    "relations_to_the_net",
    DAMAGED,
    "_rels/.rels",
    lambda: _relations_of("http://127.0.0.1:9/3dmodel.model", mode='TargetMode="External"'),
)
_member_kind(
    "relations_in_a_loop",
    DAMAGED,
    "3D/_rels/3dmodel.model.rels",
    lambda: _relations_of("/3D/3dmodel.model", "/_rels/.rels", "/3D/_rels/3dmodel.model.rels"),
)
_member_kind(
    "relations_crowd",
    TOO_LARGE,
    "3D/_rels/3dmodel.model.rels",
    lambda: _relations_of(*(f"/3D/{number}.model" for number in range(20_000))),
)

# ------------------------------------------------------------------------------------------ what slicers add to it


def _painted(paint: str, attribute: str = "paint_color") -> bytes:
    return package(CUBE.replace("<triangle ", f'<triangle {attribute}="{paint}" '))


def _png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(2 * MEBIBYTE), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def _settings(rows: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?><config>{rows}</config>'


INFO, SETTINGS, PROJECT = (
    "Metadata/slice_info.config",
    "Metadata/model_settings.config",
    "Metadata/project_settings.config",
)
for label, number in {"nan": "NaN", "infinite": "Infinity", "negative": "-5", "huge": "1e12", "word": "soon"}.items():
    _member_kind(f"slice_time_{label}", DAMAGED, INFO, lambda number=number: slice_info(prediction=number))  # type: ignore[misc]
    _member_kind(f"slice_weight_{label}", DAMAGED, INFO, lambda number=number: slice_info(weight=number))  # type: ignore[misc]
_member_kind("slice_digits_without_end", DAMAGED, INFO, lambda: slice_info(prediction="9" * 100_000))
_member_kind(
    "slice_plates_without_end",
    DAMAGED,
    INFO,
    lambda: slice_info().replace(
        "</config>",
        "".join(f'<plate><metadata key="prediction" value="{zlib.crc32(b"%d" % n)}"/></plate>' for n in range(20_000))
        + "</config>",
    ),
)
_kind("paint_garbage", READ, lambda: _painted("ZZ not hex"))
_kind("paint_that_ends_too_early", READ, lambda: _painted("3"))
_kind("paint_deep_tree", READ, lambda: _painted("F" * 5_000))
_kind("paint_filament_4000", READ, lambda: _painted("E" + "F" * 265 + "C"))
_kind(
    "paint_of_the_other_slicer_garbage",
    READ,
    lambda: package(
        CUBE.replace("<triangle ", '<triangle slic3rpe:mmu_segmentation="0x&amp;" ').replace(
            "<model ", '<model xmlns:slic3rpe="http://schemas.slic3r.org/3mf/2017/06" '
        )
    ),
)
_member_kind("thumbnail_bomb", READ, "Metadata/plate_1.png", lambda: _png(60_000, 60_000))
_member_kind("thumbnail_of_zero_size", READ, "Metadata/plate_1.png", lambda: _png(0, 0))
_member_kind("thumbnail_that_is_a_page", READ, "Metadata/plate_1.png", lambda: HTML)
_member_kind("thumbnail_cut", READ, "Metadata/plate_1.png", lambda: _png(100, 100)[:60])
_member_kind("project_not_json", READ, PROJECT, lambda: "{" * 100)
_member_kind("project_deep_json", READ, PROJECT, lambda: "[" * 200_000)
_member_kind("project_list", READ, PROJECT, lambda: "[1, 2]")
_member_kind(
    "project_strange_values",
    READ,
    PROJECT,
    lambda: json.dumps(
        {
            "filament_type": {"a": 1},
            "filament_colour": [None, 7, "red", "#" + "F" * 500],
            "layer_height": "NaN",
            "sparse_infill_density": "900%",
            "wall_loops": "-3",
            "enable_support": [[]],
            "printer_model": 5,
        }
    ),
)
_member_kind("project_endless_number", READ, PROJECT, lambda: '{"layer_height": ' + "9" * 100_000 + "}")
_member_kind("project_filament_crowd", READ, PROJECT, lambda: json.dumps({"filament_type": ["PLA"] * 100_000}))
_member_kind("settings_cut", DAMAGED, SETTINGS, lambda: _settings('<object id="1">')[:-12])
_member_kind(
    "settings_strange_numbers",
    READ,
    SETTINGS,
    lambda: _settings(
        '<object id="one"><metadata key="extruder" value="-9"/><part id="1e9" subtype="normal_part">'
        '<metadata key="extruder" value="99999999999999999999"/></part></object>'
        '<plate><metadata key="plater_id" value="NaN"/><model_instance><metadata key="object_id" value="x"/>'
        '<metadata key="instance_id" value="-1"/></model_instance></plate>'
    ),
)
_member_kind(
    "settings_crowd", READ, SETTINGS, lambda: _settings("".join(f'<object id="{n}"/>' for n in range(100_000)))
)
_member_kind(
    "settings_crowd_of_rows",
    TOO_LARGE,
    SETTINGS,
    lambda: _settings("".join(f'<x n="{zlib.crc32(b"%d" % n)}"/>' for n in range(200_000))),
)
_member_kind(
    "layer_changes_of_nonsense",
    READ,
    "Metadata/custom_gcode_per_layer.xml",
    lambda: (
        '<c><plate><plate_info id="1e9"/><layer top_z="NaN" type="2" extruder="2"/></plate><plate><layer top_z="1e308"'
        ' type="2" extruder="99999999999999999999"/><layer top_z="-5" type="2" extruder="&#178;"/><layer/></plate></c>'
    ),
)
_member_kind("settings_plate_crowd", READ, SETTINGS, lambda: _settings("<plate/>" * 50_000))

# ------------------------------------------------------------------------------------------------------- G-code

BAMBU_HEAD = (
    "; HEADER_BLOCK_START\n; BambuStudio 02.00.00.95\n; model printing time: 10m 0s; total estimated time: 17m\n"
)


def _sliced_with(gcode: Callable[[], bytes]) -> bytes:
    return package(CUBE, others={INFO: slice_info(), "Metadata/plate_1.gcode": gcode()})


_kind("gcode_endless_line", READ, lambda: _sliced_with(lambda: b"G1 X" + noise(4 * MEBIBYTE)))
_kind(
    "gcode_absurd_numbers", READ, lambda: _sliced_with(lambda: b"M83\nG1 X1 E1e308\nG1 X2 Enan\nG1 X3 E-inf\n" * 1000)
)
_kind("gcode_binary", READ, lambda: _sliced_with(lambda: random.Random(3).randbytes(MEBIBYTE)))
_kind("gcode_of_newlines", READ, lambda: _sliced_with(lambda: b"\n" * MEBIBYTE))
_kind("gcode_endless_digits", READ, lambda: _sliced_with(lambda: b"M83\nG1 X1 E" + b"9" * 500_000 + b"\n"))
_kind("gcode_tools_without_end", READ, lambda: _sliced_with(lambda: b"".join(b"T%d\n" % n for n in range(100_000))))
_kind("gcode_of_one_command_without_end", READ, lambda: _sliced_with(lambda: b"M200 " + b"D" * 900_000 + b"\n"))
_kind("gcode_of_moves_without_a_number", READ, lambda: _sliced_with(lambda: b"G1 " + b"E" * 900_000 + b"\n"))
_kind("gcode_bomb", HOSTILE, lambda: _sliced_with(lambda: b"G1 X1 E1\n" * (8 * MEBIBYTE)))
_kind("plain_gcode_without_any_header", FORMAT, lambda: b"hello\nworld\n", "part.gcode")
_kind("plain_gcode_endless_line", DAMAGED, lambda: BAMBU_HEAD.encode() + noise(4 * MEBIBYTE), "part.gcode")
_kind(
    "plain_gcode_pictures_that_never_end",
    READ,
    lambda: (
        b"; generated by PrusaSlicer 2.5.0\n" + b"; thumbnail begin 9x9 9\n; A\n" * 9_000 + b"G1 X1 E1\n"
        b"; filament used [g] = 3\n; estimated printing time (normal mode) = 5h\n"
    ),
    "part.gcode",
)
_kind("plain_gcode_binary", FORMAT, lambda: random.Random(5).randbytes(MEBIBYTE), "part.gcode")
_kind(
    "plain_gcode_absurd_time",
    DAMAGED,
    lambda: (
        b"; generated by PrusaSlicer 2.5.0\nG1 X1 E1\n; filament used [g] = 3\n"
        b"; estimated printing time (normal mode) = 99999999999999d 5h\n"
    ),
    "part.gcode",
)
_kind(
    "plain_gcode_nan_mass",
    DAMAGED,
    lambda: (
        b"; generated by PrusaSlicer 2.5.0\nG1 X1 E1\n; filament used [g] = nan\n"
        b"; estimated printing time (normal mode) = 5h\n"
    ),
    "part.gcode",
)

# ---------------------------------------------------------------------------------------------------------- STL


def _stl(count: int, body: bytes) -> bytes:
    return bytes(80) + struct.pack("<I", count) + body


def _facet(*numbers: float) -> bytes:
    return struct.pack("<12fH", 0, 0, 0, *numbers, 0)


def _text_stl(corner: str, facets: int = 4) -> bytes:
    facet = f"facet normal 0 0 1\nouter loop\nvertex {corner}\nvertex 1 0 0\nvertex 0 1 0\nendloop\nendfacet\n"
    return f"solid x\n{facet * facets}endsolid x\n".encode()


NAN, INFINITE = float("nan"), float("inf")
_kind("stl_lying_count", FORMAT, lambda: _stl(2**32 - 1, _facet(*range(9))), "part.stl")
_kind("stl_count_of_nothing", EMPTY, lambda: _stl(0, b""), "part.stl")
_kind("stl_one_byte_short", FORMAT, lambda: _stl(2, _facet(*range(9)) * 2)[:-1], "part.stl")
_kind("stl_not_a_number", DAMAGED, lambda: _stl(4, _facet(NAN, *range(8)) * 4), "part.stl")
_kind("stl_infinite", DAMAGED, lambda: _stl(4, _facet(INFINITE, *range(8)) * 4), "part.stl")
_kind("stl_largest_floats", DAMAGED, lambda: _stl(4, _facet(3e38, 0, 0, 0, 3e38, 0, 0, 0, -3e38) * 4), "part.stl")
_kind("stl_smallest_floats", EMPTY, lambda: _stl(4, _facet(1e-45, 0, 0, 0, 1e-45, 0, 0, 0, 1e-45) * 4), "part.stl")
_kind("stl_one_point", EMPTY, lambda: _stl(1000, _facet(*[5.0] * 9) * 1000), "part.stl")
_kind("stl_text_endless_line", EMPTY, lambda: b"solid x facet " + noise(4 * MEBIBYTE) + b" endsolid", "part.stl")
_kind("stl_text_endless_number", DAMAGED, lambda: _text_stl("9" * 100_000 + " 0 0"), "part.stl")
_kind("stl_text_not_a_number", DAMAGED, lambda: _text_stl("nan 0 0"), "part.stl")
_kind("stl_text_overflow", DAMAGED, lambda: _text_stl("1e999 0 0"), "part.stl")
_kind("stl_text_two_corners", DAMAGED, lambda: _text_stl("0 0 0").replace(b"vertex 1 0 0\n", b""), "part.stl")
_kind("stl_text_cut", DAMAGED, lambda: _text_stl("0 0 0", 400)[:-400], "part.stl")
_kind("stl_text_of_spaces", FORMAT, lambda: b"solid " + b" " * (4 * MEBIBYTE), "part.stl")
_kind("stl_text_many_ends", DAMAGED, lambda: b"solid facet " + b"endfacet " * 400_000 + b"endsolid", "part.stl")

# --------------------------------------------------------------------------------------------------------- STEP

STEP_HEAD = (
    b"ISO-10303-21;\nHEADER;\nFILE_DESCRIPTION((''),'2;1');\n"
    b"FILE_NAME('part','2025-01-01T00:00:00',(''),(''),'','','');\nFILE_SCHEMA(('AUTOMOTIVE_DESIGN'));\nENDSEC;\n"
)
STEP_TAIL = b"ENDSEC;\nEND-ISO-10303-21;\n"


def _step(data: bytes) -> bytes:
    return STEP_HEAD + b"DATA;\n" + data + STEP_TAIL


_kind("step_head_only", PERSON, lambda: STEP_HEAD, "part.step")
_kind("step_garbage", PERSON, lambda: _step(noise(MEBIBYTE) + b"MANIFOLD_SOLID_BREP"), "part.step")
_kind("step_nothing_inside", EMPTY, lambda: _step(b""), "part.stp")
_kind("step_reference_to_nothing", PERSON, lambda: _step(b"#1=MANIFOLD_SOLID_BREP('',#999);\n"), "part.step")
_kind("step_reference_to_itself", PERSON, lambda: _step(b"#1=MANIFOLD_SOLID_BREP('',#1);\n"), "part.step")
_kind(
    "step_crowd_of_entities",
    PERSON,
    lambda: _step(b"".join(b"#%d=CARTESIAN_POINT('',(0.,0.,0.));\n" % n for n in range(1, 400_001))),
    "part.step",
)
_kind(
    "step_endless_text",
    EMPTY,
    lambda: _step(b"#1=CARTESIAN_POINT('" + noise(2 * MEBIBYTE) + b"',(0.,0.,0.));\n"),
    "a.step",
)
_kind("step_deep_list", PERSON, lambda: _step(b"#1=MANIFOLD_SOLID_BREP(" + b"(" * 500_000), "part.step")
_kind(
    "step_shell_of_itself",
    PERSON,
    lambda: _step(
        b"#1=MANIFOLD_SOLID_BREP('',#2);\n#2=CLOSED_SHELL('',(#3));\n#3=ADVANCED_FACE('',(#4),#5,.T.);\n"
        b"#4=FACE_BOUND('',#2,.T.);\n#5=PLANE('',#5);\n#6=SHAPE_DEFINITION_REPRESENTATION(#7,#8);\n"
        b"#7=PRODUCT_DEFINITION_SHAPE('','',#7);\n#8=ADVANCED_BREP_SHAPE_REPRESENTATION('',(#1,#8),#9);\n"
    ),
    "part.step",
)
_kind("step_assembly_of_itself", READ, lambda: step_assembly([(0, 0, 0), (50, 0, 0)], of_itself=True), "part.step")
