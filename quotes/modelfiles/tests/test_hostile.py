"""Every kind of ``hostile.py`` is refused as it says, or read. Its bounds in time and memory: ``test_isolated.py``."""

from __future__ import annotations

import pytest

from quotes.modelfiles import UnusableFile, read_model
from quotes.modelfiles.tests.hostile import KINDS, READ


@pytest.mark.parametrize("name", KINDS)
def test_a_hostile_file_gets_its_answer(name: str):
    kind = KINDS[name]
    try:
        answer = read_model(kind.make(), file_name=kind.file_name, thumbnail=False).format and READ
    except UnusableFile as refusal:
        answer = refusal.kind
    assert answer == kind.expected
