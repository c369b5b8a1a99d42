"""The usual reasons for which parts are lost on a print farm: what a new installation starts with."""

from __future__ import annotations

#: Code, name, where it is seen (see ``DefectReason.Stage``), in the order of the buttons.
STANDARD_DEFECTS = (
    ("stringing", "Stringing", "print"),
    ("warping", "Warping", "print"),
    ("spaghetti", "Spaghetti", "print"),
    ("layer_shift", "Layer shift", "print"),
    ("under_extrusion", "Under-extrusion", "print"),
    ("wrong_colour", "Wrong colour", "any"),
    ("support_marks", "Support marks", "any"),
    ("dimension", "Out of dimension", "any"),
    ("surface", "Bad surface", "any"),
    ("damaged", "Damaged", "any"),
)
