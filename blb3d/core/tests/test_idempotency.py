import datetime

import pytest
from django.utils import timezone

from blb3d.core.idempotency import KEPT, LEASE, KeyReused, StillRunning, begin, forget_old_records
from blb3d.core.models import IdempotencyRecord

pytestmark = pytest.mark.django_db

ASKED = {"caller": "user:1", "key": "k", "fingerprint": "f"}


def test_a_second_request_while_the_first_runs_is_refused():
    record, is_new = begin(**ASKED)
    assert is_new
    with pytest.raises(StillRunning):
        begin(**ASKED)
    record.answer(201, {"id": 1})
    again, is_new = begin(**ASKED)
    assert (again.body, again.status_code, is_new) == ({"id": 1}, 201, False)


def test_a_claim_whose_owner_died_is_taken_over_once():
    record, _ = begin(**ASKED)
    IdempotencyRecord.objects.update(created_at=timezone.now() - LEASE - datetime.timedelta(seconds=1))
    again, is_new = begin(**ASKED)
    assert (again.pk, is_new) == (record.pk, True)
    with pytest.raises(StillRunning):
        begin(**ASKED)


def test_another_request_under_the_key_is_refused_even_while_the_first_runs():
    begin(**ASKED)
    with pytest.raises(KeyReused):
        begin(**{**ASKED, "fingerprint": "other"})


def test_old_records_are_forgotten():
    begin(**ASKED)
    IdempotencyRecord.objects.update(created_at=timezone.now() - KEPT - datetime.timedelta(hours=1))
    begin(**{**ASKED, "key": "young"})
    assert forget_old_records() == 1
    assert IdempotencyRecord.objects.count() == 1
