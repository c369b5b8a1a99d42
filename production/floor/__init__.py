"""The floor pages: what an operator with gloves and a phone sees and does at a machine, and the board on the wall."""

from __future__ import annotations

from production.floor.urls import urlpatterns

__all__ = ["urlpatterns"]
