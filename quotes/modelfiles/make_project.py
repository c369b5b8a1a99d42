"""Building slicer projects as Bambu Studio and Orca save them: a 3MF whose meshes lie in parts of their own
(production extension), with settings beside it. For tests, the demo and whoever wants a file to try.

``python -m quotes.modelfiles.make_project PATH`` writes the sample badge.
"""

from __future__ import annotations

import io
import json
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import manifold3d
import numpy as np

from quotes.modelfiles.geometry import Faces, Vertices

_CORE = "http://schemas.microsoft.com/3dmanufacturing/core/2015/02"
_PRODUCTION = "http://schemas.microsoft.com/3dmanufacturing/production/2015/06"
_BAMBU = "http://schemas.bambulab.com/package/2021"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
#: What a project says of how it wants to be printed, as the slicer's presets name it.
SETTINGS = {
    "layer_height": "0.2",
    "sparse_infill_density": "15%",
    "wall_loops": "2",
    "enable_support": "0",
    "printer_model": "Bambu Lab P1S",
    "nozzle_diameter": ["0.4"],
    "printable_area": ["0x0", "256x0", "256x256", "0x256"],
}

#: The badge in mm: a plate with rounded ends, and a ring and three bars raised on it in another colour.
BADGE_LENGTH, BADGE_WIDTH, BADGE_THICK, BADGE_RAISED = 62.0, 26.0, 2.4, 0.8


@dataclass(frozen=True)
class ProjectBody:
    """A part of an object: its filament counted from 1, its kind, and a string of paint for each triangle."""

    name: str
    vertices: Vertices
    faces: Faces
    filament: int = 1
    kind: str = "normal_part"
    paint: Sequence[str] = ()


@dataclass(frozen=True)
class ProjectThing:
    """An object: its parts, where it stands (mm), and on which plate (from 1; 0: none) each of it stands."""

    name: str
    bodies: Sequence[ProjectBody]
    places: Sequence[tuple[float, float, float]] = ((128.0, 128.0, 0.0),)
    plates: Sequence[int] = (1,)
    filament: int = 1


def write_project(
    things: Sequence[ProjectThing],
    *,
    filaments: Sequence[tuple[str, str]] = (("PLA", "#FFFFFF"),),
    plates: Sequence[str] = ("",),
    settings: Mapping[str, object] | None = None,
    others: Mapping[str, bytes] | None = None,
) -> bytes:
    """A project package; ``filaments`` are (type, colour), ``settings`` override ``SETTINGS``."""
    members: dict[str, bytes] = {
        "[Content_Types].xml": _content_types().encode(),
        # Slicers name the pictures also where they wrote none.
        "_rels/.rels": _relations(["/3D/3dmodel.model"], pictures=["/Metadata/plate_1.png"]).encode(),
    }
    holders, items, said = [], [], []
    instances: dict[int, list[tuple[int, int]]] = {}
    paths = []
    for position, thing in enumerate(things):
        # As the slicer numbers them: the parts first, then the object that holds them.
        first = 1 + sum(len(other.bodies) + 1 for other in things[:position])
        holder = first + len(thing.bodies)
        path = f"/3D/Objects/object_{position + 1}.model"
        paths.append(path)
        meshes = "".join(_mesh(first + number, body) for number, body in enumerate(thing.bodies))
        members[path.lstrip("/")] = _model(meshes, "").encode()
        components = "".join(
            f'<component p:path="{path}" objectid="{first + number}" p:UUID="{_uuid(first + number, 2)}" '
            'transform="1 0 0 0 1 0 0 0 1 0 0 0"/>'
            for number in range(len(thing.bodies))
        )
        held = f"<components>{components}</components>"
        holders.append(f'<object id="{holder}" p:UUID="{_uuid(holder, 0)}" type="model">{held}</object>')
        for which, ((x, y, z), plate) in enumerate(zip(thing.places, thing.plates, strict=True)):
            items.append(
                f'<item objectid="{holder}" p:UUID="{_uuid(holder, which + 100)}" '
                f'transform="1 0 0 0 1 0 0 0 1 {x} {y} {z}" printable="1"/>'
            )
            instances.setdefault(plate, []).append((holder, which))
        said.append(_object_settings(holder, first, thing))
    members["3D/3dmodel.model"] = _model("".join(holders), "".join(items)).encode()
    members["3D/_rels/3dmodel.model.rels"] = _relations(paths).encode()
    rows = "".join(said) + "".join(
        _plate_settings(index, name, instances.get(index, [])) for index, name in enumerate(plates, start=1)
    )
    members["Metadata/model_settings.config"] = f"{_HEAD}<config>{rows}</config>".encode()
    chosen = {
        **SETTINGS,
        "filament_type": [kind for kind, _ in filaments],
        "filament_colour": [color for _, color in filaments],
        **(settings or {}),
    }
    members["Metadata/project_settings.config"] = json.dumps(chosen, indent=4).encode()
    members |= others or {}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in members.items():
            target.writestr(zipfile.ZipInfo(name), content, compress_type=zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def badge() -> tuple[tuple[Vertices, Faces], tuple[Vertices, Faces]]:
    """A name badge as two closed meshes that touch: the plate, and what is raised on it."""
    half = (BADGE_LENGTH - BADGE_WIDTH) / 2
    disc = manifold3d.CrossSection.circle(BADGE_WIDTH / 2, 96)
    outline = disc.translate((-half, 0)) + disc.translate((half, 0))
    outline += manifold3d.CrossSection.square((2 * half, BADGE_WIDTH), True)
    hole = manifold3d.CrossSection.circle(2.0, 48).translate((half + 7, 0))
    ring = (manifold3d.CrossSection.circle(8, 72) - manifold3d.CrossSection.circle(5.5, 72)).translate((-half, 0))
    for number, length in enumerate((26.0, 20.0, 26.0)):
        bar = manifold3d.CrossSection.square((length, 2.6)).translate((-6.0, 5.0 - 6.3 * number))
        ring += bar
    raised = manifold3d.Manifold.extrude(ring, BADGE_RAISED).translate((0, 0, BADGE_THICK))
    return _arrays(manifold3d.Manifold.extrude(outline - hole, BADGE_THICK)), _arrays(raised)


def demo_two_colour_3mf() -> bytes:
    """A project of one badge: white PLA, with green PLA raised on it."""
    plate, raised = badge()
    bodies = (ProjectBody("Plate", *plate, filament=1), ProjectBody("Sign", *raised, filament=2))
    return write_project(
        [ProjectThing("Badge", bodies)], filaments=[("PLA", "#FFFFFF"), ("PLA", "#00AE42")], plates=["Badges"]
    )


def _arrays(solid: manifold3d.Manifold) -> tuple[Vertices, Faces]:
    mesh = solid.to_mesh()
    return np.asarray(mesh.vert_properties[:, :3], dtype=np.float64), np.asarray(mesh.tri_verts, dtype=np.int64)


def _model(resources: str, build: str) -> str:
    return (
        f'{_HEAD}<model unit="millimeter" xml:lang="en-US" xmlns="{_CORE}" xmlns:BambuStudio="{_BAMBU}" '
        f'xmlns:p="{_PRODUCTION}" requiredextensions="p"><metadata name="BambuStudio:3mfVersion">1</metadata>'
        f'<resources>{resources}</resources><build p:UUID="{_uuid(0, 0)}">{build}</build></model>'
    )


def _uuid(one: int, other: int) -> str:
    return f"{other:04x}{one:04x}-b1ec-4553-aec9-835e5b724bb4"


def _mesh(number: int, body: ProjectBody) -> str:
    points = "".join(f'<vertex x="{x:.6g}" y="{y:.6g}" z="{z:.6g}"/>' for x, y, z in body.vertices)
    paint = [f' paint_color="{text}"' if text else "" for text in body.paint] or [""] * len(body.faces)
    triangles = "".join(
        f'<triangle v1="{a}" v2="{b}" v3="{c}"{text}/>' for (a, b, c), text in zip(body.faces, paint, strict=True)
    )
    mesh = f"<mesh><vertices>{points}</vertices><triangles>{triangles}</triangles></mesh>"
    kind = "model" if body.kind == "normal_part" else "other"
    return f'<object id="{number}" p:UUID="{_uuid(number, 1)}" type="{kind}">{mesh}</object>'


def _object_settings(holder: int, first: int, thing: ProjectThing) -> str:
    parts = "".join(
        f'<part id="{first + number}" subtype="{body.kind}">{_row("name", body.name)}'
        f"{_row('extruder', body.filament)}</part>"
        for number, body in enumerate(thing.bodies)
    )
    return f'<object id="{holder}">{_row("name", thing.name)}{_row("extruder", thing.filament)}{parts}</object>'


def _plate_settings(index: int, name: str, instances: Sequence[tuple[int, int]]) -> str:
    rows = "".join(
        f"<model_instance>{_row('object_id', number)}{_row('instance_id', which)}</model_instance>"
        for number, which in instances
    )
    return f"<plate>{_row('plater_id', index)}{_row('plater_name', name)}{_row('locked', 'false')}{rows}</plate>"


def _row(key: str, value: object) -> str:
    return f'<metadata key="{key}" value={quoteattr(str(value))}/>'


def _content_types() -> str:
    model = "application/vnd.ms-package.3dmanufacturing-3dmodel+xml"
    relations = "application/vnd.openxmlformats-package.relationships+xml"
    rows = "".join(
        f'<Default Extension="{extension}" ContentType="{kind}"/>'
        for extension, kind in (("rels", relations), ("model", model), ("png", "image/png"), ("gcode", "text/x.gcode"))
    )
    return f'{_HEAD}<Types xmlns="{_TYPES}">{rows}</Types>'


def _relations(targets: Sequence[str], *, pictures: Sequence[str] = ()) -> str:
    kind = "http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"
    rows = "".join(
        f'<Relationship Target="{escape(target)}" Id="rel-{number}" Type="{kind}"/>'
        for number, target in enumerate(targets, start=1)
    )
    rows += "".join(
        f'<Relationship Target="{picture}" Id="picture-{number}" Type="{_RELATIONS}/metadata/thumbnail"/>'
        for number, picture in enumerate(pictures, start=1)
    )
    return f'{_HEAD}<Relationships xmlns="{_RELATIONS}">{rows}</Relationships>'


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(demo_two_colour_3mf())
