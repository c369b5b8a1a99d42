"""Files that must be refused, each with its kind and within bounds."""

from __future__ import annotations

import io
import zipfile

import pytest

from blb3d.core.errors import BLB3DError
from quotes.modelfiles import ReadLimits, UnusableFile, read_model
from quotes.modelfiles.tests.packages import box_object, cube_package, model, package, slice_info, zipped

CUBE = model(box_object(1, 20, 20, 20), '<item objectid="1"/>')


def kind_of(data: bytes, *, name: str = "part.3mf", limits: ReadLimits | None = None) -> str:
    with pytest.raises(UnusableFile) as refusal:
        read_model(data, file_name=name, limits=limits or ReadLimits())
    error = refusal.value
    assert isinstance(error, BLB3DError)
    assert (error.code, error.http_status) == ("QUOTE_001", 400)
    assert error.details["reason"].endswith((".", ")", "?"))
    return error.details["kind"]


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"", "part.3mf"),
        (b"just some text, no model at all", "part.3mf"),
        (b"MZ" + bytes(200), "part.3mf"),
        (b"%PDF-1.7" + cube_package(), "part.3mf"),
        (cube_package(), "part.stl"),
        (cube_package(), "part.exe"),
        (cube_package(), "part"),
        (b"solid x\nfacet\nendsolid x", "part.3mf"),
    ],
)
def test_it_refuses_what_is_not_the_format_its_name_says(data: bytes, name: str):
    assert kind_of(data, name=name) == "FILE_FORMAT"


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_it_refuses_a_truncated_package(share: float):
    data = cube_package()
    assert kind_of(data[: int(len(data) * share)]) == "FILE_DAMAGED"


def test_it_refuses_a_package_with_flipped_bytes():
    data = bytearray(package(CUBE))
    at = data.index(b"3D/3dmodel.model") + len("3D/3dmodel.model") + 40
    data[at] ^= 0xFF
    assert kind_of(bytes(data)) == "FILE_DAMAGED"


def test_it_refuses_a_zip_that_is_no_package():
    assert kind_of(zipped({"readme.txt": "hello"})) == "FILE_DAMAGED"


def test_it_refuses_a_zip_bomb_before_unpacking_it():
    assert kind_of(package(CUBE, others={"3D/big.model": bytes(50 * 1024 * 1024)})) == "FILE_HOSTILE"


def test_it_refuses_too_many_members_too_large_a_file_and_too_large_a_content():
    many = package(CUBE, others={f"Metadata/{number}.txt": "x" for number in range(60)})
    assert kind_of(many, limits=ReadLimits(max_members=50)) == "FILE_TOO_LARGE"
    assert kind_of(many, limits=ReadLimits(max_bytes=1000)) == "FILE_TOO_LARGE"
    assert kind_of(many, limits=ReadLimits(max_unpacked=1000)) == "FILE_TOO_LARGE"


def test_it_refuses_too_many_triangles_and_objects():
    assert kind_of(package(CUBE), limits=ReadLimits(max_triangles=11)) == "FILE_TOO_LARGE"
    items = '<item objectid="1"/>' * 11
    crowd = package(model(box_object(1, 20, 20, 20), items))
    assert kind_of(crowd, limits=ReadLimits(max_pieces=10)) == "FILE_TOO_LARGE"


def test_it_refuses_components_that_multiply_into_billions():
    levels = "".join(
        f'<object id="{level}" type="model"><components>'
        + f'<component objectid="{level - 1}"/>' * 10
        + "</components></object>"
        for level in range(2, 12)
    )
    assert kind_of(package(model(box_object(1, 20, 20, 20) + levels, '<item objectid="11"/>'))) == "FILE_TOO_LARGE"


@pytest.mark.parametrize(
    "name", ["../evil.model", "3D/../../evil", "/etc/passwd", "C:/evil.model", "3D\\evil.model", "3D/evil\x00.model"]
)
def test_it_refuses_names_that_leave_the_package(name: str):
    # zipfile tidies names when writing: the bad one is put in place of a harmless one of the same length.
    placeholder = "x" * len(name)
    data = package(CUBE, others={placeholder: "x"}).replace(placeholder.encode(), name.encode())
    assert kind_of(data) == "FILE_HOSTILE"


def test_it_refuses_two_members_of_one_name():
    assert kind_of(package(CUBE, others={"3d/3DMODEL.model": CUBE})) == "FILE_HOSTILE"


def test_it_refuses_overlapping_members():
    data = bytearray(zipped({"a.model": "a" * 50, "b.model": "a" * 50}))
    second = data.rindex(b"PK\x01\x02")
    data[second + 42 : second + 46] = (0).to_bytes(4, "little")  # its local header is said to be the first one's
    assert kind_of(bytes(data)) == "FILE_HOSTILE"


@pytest.mark.parametrize(
    "declaration",
    ['<!DOCTYPE model [<!ENTITY a "aaaa">]>', '<!DOCTYPE model SYSTEM "http://127.0.0.1:9/x.dtd">'],
)
def test_it_refuses_document_types_and_entities(declaration: str):
    head, rest = CUBE.split("?>", 1)
    assert kind_of(package(f"{head}?>{declaration}{rest}")) == "FILE_HOSTILE"
    info_head, info_rest = slice_info().split("?>", 1)
    others = {"Metadata/slice_info.config": f"{info_head}?>{declaration}{info_rest}"}
    assert kind_of(package(CUBE, others=others)) == "FILE_HOSTILE"


def test_it_refuses_a_model_in_another_encoding():
    assert kind_of(package(CUBE.encode("utf-16"))) == "FILE_DAMAGED"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('v1="0"', 'v1="999"'),
        ('x="20"', 'x="nan"'),
        ('x="20"', 'x="inf"'),
        ('x="20"', 'x="1e300"'),
        ('x="20"', 'x="twenty"'),
        ('x="20"', 'x="1e30"'),
        ("</mesh>", ""),
        ('<item objectid="1"/>', '<item objectid="1" transform="1 0 0 0 1 0 0 0 1 1e30 0 0"/>'),
        ('<item objectid="1"/>', '<item objectid="1" transform="nan 0 0 0 1 0 0 0 1 0 0 0"/>'),
        ('unit="millimeter"', 'unit="furlong"'),
        ('<item objectid="1"/>', '<item objectid="7"/>'),
        ('<item objectid="1"/>', '<item objectid="1" transform="0 0 0 0 0 0 0 0 0 0 0 0"/>'),
    ],
)
def test_it_refuses_nonsense_in_the_model(old: str, new: str):
    assert old in CUBE.replace('.0"', '"')
    assert kind_of(package(CUBE.replace('.0"', '"').replace(old, new))) == "FILE_DAMAGED"


def test_it_refuses_components_that_hold_themselves():
    loop = '<object id="2" type="model"><components><component objectid="2"/></components></object>'
    assert kind_of(package(model(loop, '<item objectid="2"/>'))) == "FILE_TOO_LARGE"


def test_it_refuses_an_empty_build_and_a_flat_mesh():
    assert kind_of(package(model(box_object(1, 20, 20, 20), ""))) == "FILE_EMPTY"
    dust = model(box_object(1, 0.05, 0.05, 0.05), '<item objectid="1"/>')
    assert kind_of(package(dust)) == "FILE_EMPTY"
    assert kind_of(package(model(box_object(1, 20, 20, 0), '<item objectid="1"/>'))) == "FILE_EMPTY"


@pytest.mark.parametrize("prediction", ["soon", "NaN", "-5", "1e12", "Infinity"])
def test_it_refuses_absurd_slice_numbers(prediction: str):
    others = {"Metadata/slice_info.config": slice_info(prediction=prediction)}
    assert kind_of(package(CUBE, others=others)) == "FILE_DAMAGED"


def test_it_refuses_an_encrypted_package():
    data = bytearray(package(CUBE))
    at = data.index(b"PK\x01\x02")
    data[at + 8] |= 0x1
    assert kind_of(bytes(data)) == "FILE_DAMAGED"


def test_it_refuses_a_compression_that_3mf_does_not_allow():
    buffer = io.BytesIO(package(CUBE))
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_LZMA) as target:
        target.writestr("Metadata/note.txt", "x" * 100)
    assert kind_of(buffer.getvalue()) == "FILE_DAMAGED"
