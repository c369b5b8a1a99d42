import datetime

import pytest
from django.utils import timezone

from blb3d.core import health
from blb3d.core.models import OutboxEvent


def test_live_answers_without_a_database(client):
    for path in ("/health/live", "/health/live/"):
        response = client.get(path)
        assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.django_db
def test_ready_names_every_probe(client):
    response = client.get("/health/ready")
    assert response.status_code == 200
    assert response.json() == {
        "status": "ok",
        "checks": {"database": "ok", "cache": "ok", "broker": "ok", "outbox": "ok"},
    }


@pytest.mark.django_db
def test_ready_fails_when_facts_pile_up(client, settings):
    settings.OUTBOX_LAG_SECONDS = 60
    event = OutboxEvent.objects.create(topic="t", key="k", created_at=timezone.now() - datetime.timedelta(seconds=50))
    assert client.get("/health/ready").status_code == 200
    OutboxEvent.objects.filter(pk=event.pk).update(created_at=timezone.now() - datetime.timedelta(seconds=70))
    response = client.get("/health/ready")
    assert response.status_code == 503
    assert response.json()["checks"] == {"database": "ok", "cache": "ok", "broker": "ok", "outbox": "failed"}
    OutboxEvent.objects.filter(pk=event.pk).update(relayed_at=timezone.now())
    assert client.get("/health/ready").status_code == 200


@pytest.mark.django_db
def test_ready_keeps_the_reason_from_the_caller(client, settings):
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    response = client.get("/health/ready")
    assert response.status_code == 503
    assert response.json() == {
        "status": "failed",
        "checks": {"database": "ok", "cache": "failed", "broker": "ok", "outbox": "ok"},
    }
    with pytest.raises(health.NotReady, match="does not keep"):
        health.shared_cache()


def test_only_reading_is_possible(client):
    assert client.post("/health/live").status_code == 405
