"""Screens on the wall of the floor."""

from __future__ import annotations

from django.db import models

from blb3d.core.documents import Document


class WallScreen(Document):
    """A screen that shows the board by a link, without a login: it reads, names no customer, and can be taken back.

    The token itself is kept nowhere.
    """

    name = models.CharField(max_length=60, help_text="Where it hangs")
    token_sha256 = models.CharField(max_length=64, unique=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_seen_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        db_table = "wall_screens"
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name
