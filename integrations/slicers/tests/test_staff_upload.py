from __future__ import annotations

import pytest

from integrations.slicers.errors import PersonMustUpload
from integrations.slicers.staff_upload import StaffUpload
from production.ports import SliceFilament, SliceRequest


def test_it_asks_for_a_person_and_says_what_to_slice():
    filaments = (SliceFilament(0, "PLA"), SliceFilament(1, "PETG"))
    request = SliceRequest(b"", "bracket.3mf", printer_model="P1S", filaments=filaments, name="Bracket", copies=6)
    with pytest.raises(PersonMustUpload) as refusal:
        StaffUpload().slice(request)
    assert (refusal.value.code, refusal.value.http_status) == ("SLICE_001", 409)
    assert refusal.value.details == {
        "name": "Bracket",
        "file_name": "bracket.3mf",
        "printer_model": "P1S",
        "material_type": "PLA, PETG",
        "copies": 6,
    }
