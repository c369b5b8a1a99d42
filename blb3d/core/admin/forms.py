"""The guard on a page's form."""

from __future__ import annotations

from typing import Any

from blb3d.core.admin.timeline import changed_since
from blb3d.core.admin.verbs import worded
from blb3d.core.documents import Document
from blb3d.core.errors import BLB3DError, StaleVersion


class GuardedForm:
    """Mixin of a document's form: refuses what was typed on an older version, shows a refusal, keeps what was typed."""

    refusal: BLB3DError | None = None

    def clean(self) -> Any:
        """Refuse an older version, or what the save itself was refused for."""
        cleaned = super().clean()  # type: ignore[misc]
        document = self.instance  # type: ignore[attr-defined]
        expected = self.data.get("_version", "")  # type: ignore[attr-defined]
        is_stored = isinstance(document, Document) and document.pk
        if is_stored and expected.isdecimal() and int(expected) != document.version:
            self.add_error(None, self._stale(document, int(expected)))  # type: ignore[attr-defined]
        elif self.refusal is not None:
            self.add_error(None, worded(self.refusal))  # type: ignore[attr-defined]
        return cleaned

    @staticmethod
    def _stale(document: Document, expected: int) -> str:
        change = changed_since(document, expected)
        what = f" ({', '.join(change.changed)})" if change and change.changed else ""
        who = change.who if change and change.who else "Somebody"
        return (
            f"{who} changed this{what} after you opened it. Nothing was saved; what you typed is still here. "
            f"Saving again puts it over the other change. [{StaleVersion.code}]"
        )
