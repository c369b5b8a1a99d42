"""3MF packages written by hand, so that the reader is not tested with its own writer only."""

from __future__ import annotations

import io
import zipfile

from quotes.modelfiles.make import box

CORE = "http://schemas.microsoft.com/3dmanufacturing/core/2015/02"
PRODUCTION = "http://schemas.microsoft.com/3dmanufacturing/production/2015/06"

CONTENT_TYPES = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="model" ContentType="application/vnd.ms-package.3dmanufacturing-3dmodel+xml"/>'
    '<Default Extension="png" ContentType="image/png"/>'
    "</Types>"
)


def relations(target: str) -> str:
    """A relationships part that names one model."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        f'<Relationship Target="{target}" Id="r1" Type="http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"/>'
        "</Relationships>"
    )


def box_object(number: int, width: float, depth: float, height: float, *, name: str = "", flipped: bool = False) -> str:
    """An <object> that is a box at the origin; ``flipped`` turns every face inside out."""
    vertices, faces = box(width, depth, height)
    points = "".join(f'<vertex x="{x}" y="{y}" z="{z}"/>' for x, y, z in vertices)
    order = (0, 2, 1) if flipped else (0, 1, 2)
    triangles = "".join(f'<triangle v1="{f[order[0]]}" v2="{f[order[1]]}" v3="{f[order[2]]}"/>' for f in faces)
    return (
        f'<object id="{number}" type="model" name="{name}"><mesh><vertices>{points}</vertices>'
        f"<triangles>{triangles}</triangles></mesh></object>"
    )


def model(resources: str, build: str, *, unit: str = "millimeter", attributes: str = "") -> str:
    """A <model> part."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><model unit="{unit}" xml:lang="en-US" xmlns="{CORE}" {attributes}>'
        f"<resources>{resources}</resources><build>{build}</build></model>"
    )


def package(root: str, *, others: dict[str, str | bytes] | None = None) -> bytes:
    """A 3MF package around a root model; ``others`` are further members."""
    members: dict[str, str | bytes] = {
        "[Content_Types].xml": CONTENT_TYPES,
        "_rels/.rels": relations("/3D/3dmodel.model"),
        "3D/3dmodel.model": root,
    }
    return zipped(members | (others or {}))


def zipped(members: dict[str, str | bytes]) -> bytes:
    """A zip archive of these members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in members.items():
            target.writestr(zipfile.ZipInfo(name), content, compress_type=zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def cube_package(**options: str) -> bytes:
    """A 20 mm cube (20 of whatever ``unit`` says)."""
    return package(model(box_object(1, 20, 20, 20, name="Cube"), '<item objectid="1"/>', **options))


def slice_info(*, prediction: object = 1020, weight: object = "4.12", model_id: str = "C12", kind: str = "PLA") -> str:
    """What a slicer writes about one plate with one filament."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?><config><header>'
        '<header_item key="X-BBL-Client-Version" value="02.01.00.59"/></header><plate>'
        '<metadata key="index" value="1"/>'
        f'<metadata key="printer_model_id" value="{model_id}"/><metadata key="nozzle_diameters" value="0.4"/>'
        f'<metadata key="prediction" value="{prediction}"/><metadata key="weight" value="{weight}"/>'
        f'<filament id="1" type="{kind}" color="#00ae42" used_m="1.38" used_g="{weight}"/>'
        "</plate></config>"
    )
