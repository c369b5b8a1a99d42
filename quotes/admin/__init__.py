"""Quotes, their files, what became of them and what prints taught about their estimates in the console."""

from quotes.admin import analytics, files, learning, quotes

__all__ = ["analytics", "files", "learning", "quotes"]
