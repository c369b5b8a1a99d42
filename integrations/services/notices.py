"""Trying out who is told what."""

from __future__ import annotations

import uuid

from django.urls import reverse

from blb3d.accounts.models import User
from blb3d.core.verbs import verb
from integrations.models import Notice, NoticeRule


@verb
def send_test_notice(rule: NoticeRule, *, actor: User) -> Notice:
    """Write a test for a rule's people; it is sent like every notice, at once, and its row says how it went."""
    return Notice.objects.create(
        rule=rule,
        key=f"test-{uuid.uuid4()}",
        subject=f"A test of the rule {rule.name}"[:200],
        text=f"{actor} asked for this test. Nothing happened on the floor.",
        path=reverse("floor:board"),
        details={"event": "test"},
    )
