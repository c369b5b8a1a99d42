"""What the commonest error codes mean, in plain words of our own; the rest are told by part and severity.

The maker publishes texts for some six thousand codes; they are his, and change with the firmware. What a person at the
farm must know at once is whether filament, plate, cover or network is meant, and that is in these few.
"""

from __future__ import annotations

import re

_CODE = re.compile(r"[0-9A-F]{4}(?:_[0-9A-F]{4}){1,3}\Z")

#: Print errors, ``AAAA_CCCC``, and health messages, ``AAAA_AAAA_CCCC_CCCC``.
WORDS = {
    "0300_400C": "cancelled by a person",
    "0500_400E": "cancelled by a person",
    "0300_8001": "paused by a person",
    "0300_8003": "spaghetti seen by the camera",
    "0300_8004": "filament ran out",
    "0300_800A": "filament piles up in the waste chute",
    "0500_4003": "the file cannot be read",
    "0500_4004": "busy with another print",
    "0502_4007": "takes signed commands only",
    "0502_4009": "takes signed commands only",
    "0700_8011": "filament in the feeder ran out",
    "0700_8012": "no tray for a filament of the file",
    "07FF_8011": "filament on the external spool ran out",
    "07FF_8012": "no tray for a filament of the file",
    "0500_0500_0001_0007": "takes signed commands only",
}
#: The errors that mean that a spool is empty; others of their kind differ in the unit's number only.
_RUNOUT = re.compile(r"(?:0300_8004|07[0-9A-F]{2}_8011)\Z")
_PARTS = {"03": "motion", "05": "mainboard", "07": "filament feeder", "08": "toolhead", "0C": "camera",
          "12": "filament feeder"}  # fmt: skip
_SEVERITIES = {1: "fatal", 2: "serious", 3: "common", 4: "for information"}


def is_runout(code: str) -> bool:
    """Tell whether a print error says that a spool is empty."""
    return _RUNOUT.match(code) is not None


def error_words(code: str) -> str:
    """Return an error with what it means: ``filament ran out (0300_8004)``; what is no code comes back as it is."""
    if _CODE.match(code) is None:
        return code
    if is_runout(code) and code not in WORDS:
        return f"{WORDS['0700_8011']} ({code})"
    if code in WORDS:
        return f"{WORDS[code]} ({code})"
    part = _PARTS.get(code[:2], "")
    groups = code.split("_")
    severity = _SEVERITIES.get(int(groups[2], 16), "") if len(groups) == 4 else ""
    told = ", ".join(word for word in (part, severity) if word)
    return f"{told} ({code})" if told else code
