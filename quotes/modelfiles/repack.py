"""The part of a 3MF package that lib3mf is given: models, what they refer to, and nothing else.

lib3mf unpacks on its own, keeps every member it knows, and refuses a package whose relationships lead to a part that is
not there. Slicers' packages hold much besides, and some refer to a picture that they never wrote. So the package is
written again, stored, from checked bytes, with the relationships that matter (Open Packaging Conventions, ECMA-376-2).
"""

from __future__ import annotations

import io
import posixpath
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

from quotes.modelfiles.errors import DamagedFile
from quotes.modelfiles.package import Package, parse_xml, refuse_active_xml

ROOT_RELATIONS, CONTENT_TYPES = "_rels/.rels", "[Content_Types].xml"
_MODEL, _TEXTURE = "/3dmodel", "/3dtexture"
_NAMESPACE = "http://schemas.openxmlformats.org/package/2006/relationships"


@dataclass(frozen=True)
class Relation:
    """A relationship to another member of the package."""

    id: str
    kind: str
    target: str


def root_model(package: Package) -> str:
    """The name of the model that the package is about."""
    for relation in _relations(package, ROOT_RELATIONS):
        if relation.kind.endswith(_MODEL):
            return relation.target
    raise DamagedFile("The package names no model.")


def repacked(package: Package, cleaned: Callable[[bytes], bytes] | None = None) -> bytes:
    """The package for lib3mf; ``cleaned`` is applied to every model."""
    members: dict[str, bytes] = {}
    for name in package.names:
        lower = name.lower()
        if lower.endswith(".model"):
            content = package.read(name)
            refuse_active_xml(content, name)
            members[name] = cleaned(content) if cleaned else content
        elif name == CONTENT_TYPES:
            members[name] = package.read(name)
            refuse_active_xml(members[name], name)
        elif name == ROOT_RELATIONS or lower.endswith(".model.rels"):
            kept = [relation for relation in _relations(package, name) if relation.target in package]
            members[name] = _written(kept)
            members |= {entry.target: package.read(entry.target) for entry in kept if entry.kind.endswith(_TEXTURE)}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as target:
        for name, content in members.items():
            target.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


def _relations(package: Package, name: str) -> list[Relation]:
    """The relationships of a part to models and textures; what leads elsewhere does not matter."""
    folder = posixpath.dirname(posixpath.dirname(name))
    return [
        Relation(node.get("Id", ""), node.get("Type", ""), _member(folder, node.get("Target", "")))
        for node in parse_xml(package.read(name), name)
        if node.get("Type", "").endswith((_MODEL, _TEXTURE)) and node.get("TargetMode", "Internal") == "Internal"
    ]


def _member(folder: str, target: str) -> str:
    """The member that a target means, from the root or from the folder of the part that names it."""
    return target.lstrip("/") if target.startswith("/") else posixpath.normpath(posixpath.join(folder, target))


def _written(relations: list[Relation]) -> bytes:
    rows = "".join(
        f"<Relationship Target={quoteattr('/' + entry.target)} Id={quoteattr(entry.id)} Type={quoteattr(entry.kind)}/>"
        for entry in relations
    )
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    return f'{head}<Relationships xmlns="{_NAMESPACE}">{rows}</Relationships>'.encode()
