"""3MF packages written by hand, so that the reader is not tested with its own writer only."""

from __future__ import annotations

import io
import zipfile

import numpy as np

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


_STEP_HEAD = (
    "ISO-10303-21;\nHEADER;\nFILE_DESCRIPTION((''),'2;1');\n"
    "FILE_NAME('part','2025-01-01T00:00:00',(''),(''),'','','');\n"
    "FILE_SCHEMA(('AUTOMOTIVE_DESIGN'));\nENDSEC;\nDATA;\n"
)
MILLIMETRE, CENTIMETRE, METRE = "SI_UNIT(.MILLI.,.METRE.)", "SI_UNIT(.CENTI.,.METRE.)", "SI_UNIT($,.METRE.)"


class StepText:
    """A STEP file (ISO 10303-21, AP214) that grows entity by entity."""

    def __init__(self) -> None:
        self._rows: list[str] = []

    def add(self, entity: str) -> str:
        """Add an entity; returns its reference."""
        self._rows.append(entity)
        return f"#{len(self._rows)}"

    def direction(self, x: float, y: float, z: float) -> str:
        """A direction of unit length."""
        return self.add(f"DIRECTION('',({x:.6f},{y:.6f},{z:.6f}))")

    def placement(self, point: str, axis: tuple[float, float, float], right: tuple[float, float, float]) -> str:
        """A coordinate system at a point."""
        return self.add(f"AXIS2_PLACEMENT_3D('',{point},{self.direction(*axis)},{self.direction(*right)})")

    def point(self, x: float, y: float, z: float) -> str:
        """A point."""
        return self.add(f"CARTESIAN_POINT('',({x:.6f},{y:.6f},{z:.6f}))")

    def box(self, width: float, depth: float, height: float) -> str:
        """A solid box with one corner at the origin."""
        vertices, _ = box(width, depth, height)
        points = [self.point(*corner) for corner in vertices]
        ends = [self.add(f"VERTEX_POINT('',{point})") for point in points]
        edges: dict[tuple[int, int], str] = {}

        def edge(start: int, end: int) -> str:
            key = (min(start, end), max(start, end))
            if key not in edges:
                along = vertices[key[1]] - vertices[key[0]]
                vector = self.add(f"VECTOR('',{self.direction(*along / abs(along).sum())},1.)")
                line = self.add(f"LINE('',{points[key[0]]},{vector})")
                edges[key] = self.add(f"EDGE_CURVE('',{ends[key[0]]},{ends[key[1]]},{line},.T.)")
            return self.add(f"ORIENTED_EDGE('',*,*,{edges[key]},{'.T.' if start < end else '.F.'})")

        faces = []
        for quad in ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)):
            loop = ",".join(edge(quad[at], quad[(at + 1) % 4]) for at in range(4))
            bound = self.add(f"FACE_OUTER_BOUND('',{self.add(f'EDGE_LOOP({chr(39) * 2},({loop}))')},.T.)")
            first = vertices[quad[1]] - vertices[quad[0]]
            second = vertices[quad[2]] - vertices[quad[1]]
            normal = np.cross(first, second)
            plane = self.placement(points[quad[0]], normal / abs(normal).sum(), first / abs(first).sum())
            faces.append(self.add(f"ADVANCED_FACE('',({bound}),{self.add(f'PLANE({chr(39) * 2},{plane})')},.T.)"))
        shell = self.add(f"CLOSED_SHELL('',({','.join(faces)}))")
        return self.add(f"MANIFOLD_SOLID_BREP('',{shell})")

    def context(self, unit: str) -> str:
        """What coordinates mean."""
        length = self.add(f"(LENGTH_UNIT()NAMED_UNIT(*){unit})")
        angle = self.add("(NAMED_UNIT(*)PLANE_ANGLE_UNIT()SI_UNIT($,.RADIAN.))")
        solid = self.add("(NAMED_UNIT(*)SI_UNIT($,.STERADIAN.)SOLID_ANGLE_UNIT())")
        return self.add(
            f"(GEOMETRIC_REPRESENTATION_CONTEXT(3)GLOBAL_UNIT_ASSIGNED_CONTEXT(({length},{angle},{solid}))"
            "REPRESENTATION_CONTEXT('',''))"
        )

    def product(self, name: str, items: list[str], context: str, *, kind: str) -> tuple[str, str]:
        """A product made of these items; returns its definition and its representation."""
        shape = self.add(f"{kind}('',({','.join(items)}),{context})")
        application = self.add("APPLICATION_CONTEXT('core data for automotive mechanical design processes')")
        self.add(f"APPLICATION_PROTOCOL_DEFINITION('international standard','automotive_design',2000,{application})")
        mechanical = self.add(f"PRODUCT_CONTEXT('',{application},'mechanical')")
        product = self.add(f"PRODUCT('{name}','{name}','',({mechanical}))")
        formation = self.add(f"PRODUCT_DEFINITION_FORMATION('','',{product})")
        design = self.add(f"PRODUCT_DEFINITION_CONTEXT('part definition',{application},'design')")
        definition = self.add(f"PRODUCT_DEFINITION('design','',{formation},{design})")
        described = self.add(f"PRODUCT_DEFINITION_SHAPE('','',{definition})")
        self.add(f"SHAPE_DEFINITION_REPRESENTATION({described},{shape})")
        return definition, shape

    def uses(self, whole: tuple[str, str], part: tuple[str, str], at: str, origin: str) -> None:
        """Put a product into another one at a placement."""
        use = self.add(f"NEXT_ASSEMBLY_USAGE_OCCURRENCE('{at}','','',{whole[0]},{part[0]},$)")
        described = self.add(f"PRODUCT_DEFINITION_SHAPE('','',{use})")
        moved = self.add(f"ITEM_DEFINED_TRANSFORMATION('','',{origin},{at})")
        relation = self.add(
            f"(REPRESENTATION_RELATIONSHIP('','',{part[1]},{whole[1]})"
            f"REPRESENTATION_RELATIONSHIP_WITH_TRANSFORMATION({moved})SHAPE_REPRESENTATION_RELATIONSHIP())"
        )
        self.add(f"CONTEXT_DEPENDENT_SHAPE_REPRESENTATION({relation},{described})")

    def as_bytes(self) -> bytes:
        """The file."""
        rows = "".join(f"#{number}={row};\n" for number, row in enumerate(self._rows, start=1))
        return f"{_STEP_HEAD}{rows}ENDSEC;\nEND-ISO-10303-21;\n".encode()


def step_box(width: float, depth: float, height: float, *, unit: str = MILLIMETRE, name: str = "Box") -> bytes:
    """A STEP file of one box, its numbers in ``unit``."""
    text = StepText()
    origin = text.placement(text.point(0, 0, 0), (0, 0, 1), (1, 0, 0))
    solid = text.box(width, depth, height)
    text.product(name, [origin, solid], text.context(unit), kind="ADVANCED_BREP_SHAPE_REPRESENTATION")
    return text.as_bytes()


def step_assembly(places: list[tuple[float, float, float]], *, of_itself: bool = False) -> bytes:
    """A STEP file of one 10 x 20 x 30 box that an assembly uses at several places, the last one on its side."""
    text = StepText()
    context = text.context(MILLIMETRE)
    origin = text.placement(text.point(0, 0, 0), (0, 0, 1), (1, 0, 0))
    part = text.product("Box", [origin, text.box(10, 20, 30)], context, kind="ADVANCED_BREP_SHAPE_REPRESENTATION")
    spots = [
        text.placement(text.point(*place), (0, 0, 1) if place != places[-1] else (1, 0, 0), (0, 1, 0))
        for place in places
    ]
    whole = text.product("Rack", [origin, *spots], context, kind="SHAPE_REPRESENTATION")
    for spot in spots:
        text.uses(whole, whole if of_itself else part, spot, origin)
    return text.as_bytes()


def step_cylinder(radius: float, height: float) -> bytes:
    """A STEP file of one upright cylinder around the origin."""
    text = StepText()
    origin = text.point(0, 0, 0)
    at_foot = text.placement(origin, (0, 0, 1), (1, 0, 0))
    at_head = text.placement(text.point(0, 0, height), (0, 0, 1), (1, 0, 0))
    low = text.add(f"VERTEX_POINT('',{text.point(radius, 0, 0)})")
    high = text.add(f"VERTEX_POINT('',{text.point(radius, 0, height)})")
    foot = text.add(f"EDGE_CURVE('',{low},{low},{text.add(f'CIRCLE($,{at_foot},{radius:.3f})')},.T.)")
    head = text.add(f"EDGE_CURVE('',{high},{high},{text.add(f'CIRCLE($,{at_head},{radius:.3f})')},.T.)")
    vector = text.add(f"VECTOR('',{text.direction(0, 0, 1)},1.)")
    seam = text.add(f"EDGE_CURVE('',{low},{high},{text.add(f'LINE($,{text.point(radius, 0, 0)},{vector})')},.T.)")

    def face(edges: list[tuple[str, str]], surface: str, sense: str) -> str:
        loop = ",".join(text.add(f"ORIENTED_EDGE('',*,*,{edge},{way})") for edge, way in edges)
        bound = text.add(f"FACE_OUTER_BOUND('',{text.add(f'EDGE_LOOP($,({loop}))')},.T.)")
        return text.add(f"ADVANCED_FACE('',({bound}),{text.add(surface)},{sense})")

    shell = ",".join(
        (
            face([(foot, ".F.")], f"PLANE('',{at_foot})", ".F."),
            face([(head, ".T.")], f"PLANE('',{at_head})", ".T."),
            face(
                [(foot, ".T."), (seam, ".T."), (head, ".F."), (seam, ".F.")],
                f"CYLINDRICAL_SURFACE('',{at_foot},{radius:.3f})",
                ".T.",
            ),
        )
    )
    solid = text.add(f"MANIFOLD_SOLID_BREP('',{text.add(f'CLOSED_SHELL($,({shell}))')})")
    text.product("Rod", [at_foot, solid], text.context(MILLIMETRE), kind="ADVANCED_BREP_SHAPE_REPRESENTATION")
    return text.as_bytes().replace(b"($,", b"('',")
