"""A look at the tags of 3MF model parts before lib3mf sees them.

lib3mf 2.5 walks every path through nested components when it reads, so ten levels of ten are ten billion steps; it
takes an unknown unit for millimetres, and an unknown required extension for a remark. These are caught here.
"""

from __future__ import annotations

import re

from quotes.modelfiles.errors import DamagedFile, FileTooLarge
from quotes.modelfiles.limits import ReadLimits
from quotes.modelfiles.package import Package
from quotes.modelfiles.scene import MILLIMETRES

_TAG = re.compile(rb"<(?:[\w.-]+:)?(object|component)\s[^<>]*>")
_MODEL_TAG = re.compile(rb"<(?:[\w.-]+:)?model\s[^<>]*>")
_ATTRIBUTE = re.compile(rb"""([\w.:-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_DEEPEST = 32

#: Namespaces that a model may require: read, or noticed and handed to a person.
_KNOWN_EXTENSIONS = (
    "http://schemas.microsoft.com/3dmanufacturing/production/",
    "http://schemas.microsoft.com/3dmanufacturing/material/",
    "http://schemas.microsoft.com/3dmanufacturing/slice/",
    "http://schemas.microsoft.com/3dmanufacturing/beamlattice/",
    "http://schemas.3mf.io/3dmanufacturing/volumetric/",
    "http://schemas.3mf.io/3dmanufacturing/implicit/",
    "http://schemas.microsoft.com/3dmanufacturing/trianglesets/",
    "http://schemas.microsoft.com/3dmanufacturing/core/",
)

Key = tuple[str, str]


def check_structure(package: Package, limits: ReadLimits) -> str:
    """Refuse absurd or circular nesting and unknown units; returns why a person is needed, or ""."""
    children: dict[Key, list[Key]] = {}
    needs_person = ""
    for name in package.names:
        if name.lower().endswith(".model"):
            content = package.read(name)
            needs_person = _check_model_tag(content) or needs_person
            _collect(content, name, children)
    _refuse_explosion(children, limits)
    return needs_person


def _check_model_tag(content: bytes) -> str:
    tag = _MODEL_TAG.search(content)
    attributes = _attributes(tag[0]) if tag else {}
    if attributes.get("unit", "millimeter") not in MILLIMETRES:
        raise DamagedFile("The model is in a unit that 3MF does not know.")
    for prefix in attributes.get("requiredextensions", "").split():
        if not attributes.get(f"xmlns:{prefix}", "").startswith(_KNOWN_EXTENSIONS):
            return "The model requires an extension of 3MF that is not known here."
    return ""


def _collect(content: bytes, member: str, children: dict[Key, list[Key]]) -> None:
    if b"component" not in content:
        return
    owner: list[Key] = []
    for tag in _TAG.finditer(content):
        attributes = _attributes(tag[0])
        if tag[1] == b"object":
            owner = children.setdefault((member, attributes.get("id", "")), [])
        else:
            path = next((value for key, value in attributes.items() if key.rpartition(":")[2] == "path"), member)
            owner.append((path.lstrip("/"), attributes.get("objectid", "")))


def _refuse_explosion(children: dict[Key, list[Key]], limits: ReadLimits) -> None:
    """Count the leaves under every object once, children before parents."""
    leaves: dict[Key, int] = {}
    for start in children:
        stack = [start]
        while stack:
            if len(stack) > _DEEPEST:
                raise FileTooLarge("Its objects are nested too deeply, or within themselves.")
            current = stack[-1]
            waiting = next((child for child in children.get(current, ()) if child not in leaves), None)
            if waiting is not None:
                stack.append(waiting)
                continue
            leaves[current] = sum(leaves[child] for child in children.get(current, ())) or 1
            if leaves[current] > limits.max_pieces:
                raise FileTooLarge(f"It holds more than {limits.max_pieces} objects.")
            stack.pop()


def _attributes(tag: bytes) -> dict[str, str]:
    return {
        name.decode("utf-8", "replace"): (double or single).decode("utf-8", "replace")
        for name, double, single in _ATTRIBUTE.findall(tag)
    }
