"""A look at the tags of 3MF model parts before lib3mf sees them.

lib3mf 2.5 walks every path through nested components when it reads, so ten levels of ten are ten billion steps; it
takes an unknown unit for millimetres, and an unknown required extension for a remark. These are caught here.
"""

from __future__ import annotations

import re

from quotes.modelfiles.errors import AskAnEngineer, DamagedFile, FileTooLarge
from quotes.modelfiles.limits import ReadLimits
from quotes.modelfiles.package import Package, walk_xml
from quotes.modelfiles.scene import MILLIMETRES

_MODEL_TAG = re.compile(rb"<(?:[\w.-]+:)?model\s[^<>]*>")
#: Bounded, so that a tag of a million letters takes no time.
_ATTRIBUTE = re.compile(rb"""([\w.:-]{1,100})\s{0,10}=\s{0,10}(?:"([^"]*)"|'([^']*)')""")
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

#: What careless exporters mean by a prefix that they do not declare.
_USUAL_PREFIXES = {
    b"p": b"http://schemas.microsoft.com/3dmanufacturing/production/2015/06",
    b"m": b"http://schemas.microsoft.com/3dmanufacturing/material/2015/02",
    b"s": b"http://schemas.microsoft.com/3dmanufacturing/slice/2015/07",
    b"b": b"http://schemas.microsoft.com/3dmanufacturing/beamlattice/2017/02",
    b"slic3rpe": b"http://schemas.slic3r.org/3mf/2017/06",
    b"BambuStudio": b"http://schemas.bambulab.com/package/2021",
}
_DECLARED = re.compile(rb"xmlns:([\w.-]+)\s*=")
_UUID = re.compile(rb"""\s[\w.-]+:UUID\s?=\s?(?:"[^"<>]{0,80}"|'[^'<>]{0,80}')""")
_PREFIX = re.compile(rb"[<\s]([A-Za-z_][\w.-]*):[A-Za-z_]")

Key = tuple[str, int]


def check_structure(package: Package, limits: ReadLimits) -> str:
    """Refuse absurd or circular nesting and unknown units; returns why a person is needed, or ""."""
    children: dict[Key, list[Key]] = {}
    needs_person = ""
    for name in package.names:
        content = package.read(name) if name.lower().endswith((".model", ".rels", ".xml")) else b""
        _refuse_crowd(content, name, limits)
        if name.lower().endswith(".model"):
            needs_person = _check_model_tag(content) or needs_person
            _collect(content, name, children)
    _refuse_explosion(children, limits)
    return needs_person


def mended(content: bytes) -> bytes:
    """The model part without UUIDs and with its prefixes declared as usual, the same bytes where nothing is amiss.

    lib3mf refuses a package in which a UUID comes twice, which copied objects do, and prefixes that are not declared.
    Neither says anything about the shape. Raises ``AskAnEngineer`` for a prefix that nobody knows.
    """
    if b"UUID" in content:
        content = _UUID.sub(b"", content)
    tag = _MODEL_TAG.search(content)
    missing = sorted(set(_PREFIX.findall(content)) - set(_DECLARED.findall(content)) - {b"xmlns", b"xml"})
    if not tag or not missing:
        return content
    if not set(missing) <= set(_USUAL_PREFIXES):
        raise AskAnEngineer("The file uses names that it does not declare.")
    declared = b"".join(b' xmlns:%s="%s"' % (prefix, _USUAL_PREFIXES[prefix]) for prefix in missing)
    at = tag.start() + tag[0].index(b"model") + len(b"model")
    return content[:at] + declared + content[at:]


def _refuse_crowd(content: bytes, name: str, limits: ReadLimits) -> None:
    """lib3mf's time grows with the square of the number of resources, relations and content types."""
    if name.lower().endswith(".model"):
        if content.count(b" id=") > limits.max_pieces:
            raise FileTooLarge(f"It holds more than {limits.max_pieces} objects.")
    elif content.count(b"<") > limits.max_members + 10:
        raise FileTooLarge(f"It holds more than {limits.max_members} files.")


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
    """Note which object holds which; a strict parser, so that nothing hides in names or comments."""
    if b"component" not in content:
        return
    owner: list[Key] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal owner
        if tag == "object":
            owner = children.setdefault((member, _number(attributes.get("id"))), [])
        elif tag == "component":
            paths = [value for key, value in attributes.items() if key.rpartition(":")[2] == "path"]
            if len(paths) > 1:
                raise DamagedFile("A component lies in two places.")
            owner.append(((paths[0] if paths else member).lstrip("/"), _number(attributes.get("objectid"))))

    walk_xml(content, member, start)


def _number(text: str | None) -> int:
    if not text or not text.strip().isdecimal() or len(text) > 20:
        raise DamagedFile("An object has no proper number.")
    return int(text)


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
