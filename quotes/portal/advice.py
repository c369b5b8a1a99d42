"""What a customer can do about a file that cannot be used."""

from __future__ import annotations

from quotes.modelfiles import UnusableFile

_ADVICE = {
    "FILE_FORMAT": "Export the part from your CAD program as 3MF, STEP or STL.",
    "FILE_DAMAGED": "Export it again; if it was sent to you, ask for a new copy.",
    "FILE_TOO_LARGE": "Export it with a coarser mesh, or split it into several files.",
    "FILE_HOSTILE": "Open it in your slicer or CAD program and save it as a new file.",
    "FILE_EMPTY": "Check that the part is visible and selected when you export it.",
    "FILE_NEEDS_PERSON": "An engineer can look at it and answer with a price.",
    "FILE_DUPLICATE": "Leave the second one out.",
    "FILE_TOO_HARD": "Export it with a coarser mesh, or ask an engineer.",
    "FILE_INFECTED": "Scan your computer, then export the part again.",
}


def refusals(error: UnusableFile) -> list[dict[str, str]]:
    """Return each refused file with its reason, what to do about it, and the kind of the refusal."""
    rows = error.details.get("files") or [{"file": "The file", **error.details}]
    return [
        {
            "file": row["file"],
            "reason": row.get("reason") or error.message,
            "kind": row.get("kind") or "",
            "advice": _ADVICE.get(row.get("kind") or "", ""),
        }
        for row in rows
    ]
