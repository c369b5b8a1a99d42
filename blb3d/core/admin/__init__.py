"""The console: what every app's ``admin.py`` is built from. Start with :class:`DocumentAdmin`."""

from blb3d.core.admin.columns import chip_column, money_column, number_column, status_chip
from blb3d.core.admin.documents import ConsoleAdmin, DocumentAdmin, LedgerAdmin
from blb3d.core.admin.exports import ExportAdmin
from blb3d.core.admin.history import HistoryAdmin
from blb3d.core.admin.inlines import DocumentInline, ReadOnlyInline
from blb3d.core.admin.keys import AutocompleteKeys, key_choice
from blb3d.core.admin.timeline import Entry, who
from blb3d.core.admin.verbs import AdminVerb, VerbForm
from blb3d.core.admin.work import WorkAdmin, replay_verb

__all__ = [
    "AdminVerb",
    "AutocompleteKeys",
    "ConsoleAdmin",
    "DocumentAdmin",
    "DocumentInline",
    "Entry",
    "ExportAdmin",
    "HistoryAdmin",
    "LedgerAdmin",
    "ReadOnlyInline",
    "VerbForm",
    "WorkAdmin",
    "chip_column",
    "key_choice",
    "money_column",
    "number_column",
    "replay_verb",
    "status_chip",
    "who",
]
