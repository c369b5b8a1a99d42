"""Lifecycles: which status may follow which, as data, with one door through which a status moves.

The check and the lock are one conditional UPDATE (a row in one of the step's sources, or a refusal), which holds on
every database. The document is then re-read, the verb's body runs, and the new status is saved with history user and
reason and a fact in the outbox. The same tables draw the admin's buttons, the API's ``available_actions`` and the
diagrams in ``docs/``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from django.db import models
from django.db.models import F
from django.utils import timezone

from blb3d.core import outbox
from blb3d.core.actors import acting, current
from blb3d.core.documents import Document, write_history
from blb3d.core.errors import InvalidTransition, NotAllowed, NotFound, ReasonRequired

if TYPE_CHECKING:
    from blb3d.accounts.models import User

D = TypeVar("D", bound=Document)


@dataclass(frozen=True)
class Step:
    """One legal move: from any of ``sources`` to one of ``targets``.

    ``fact`` is written to the outbox. ``permission`` is the codename a member of staff needs; ``by_customer`` says
    that the customer who owns the document may do it too; a step with neither is the system's own.
    """

    name: str
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    fact: str | None = None
    permission: str | None = None
    by_customer: bool = False
    reason_required: bool = False
    label: str = ""
    #: "primary" for the usual next thing, "danger" for what cannot be undone, "" for the rest.
    style: str = ""

    @property
    def title(self) -> str:
        """Return the words on the button."""
        return self.label or self.name.replace("_", " ").capitalize()


@dataclass
class Move(Generic[D]):
    """A step under way: the locked, re-read document, where it came from and where it goes."""

    document: D
    step: Step
    source: str
    target: str
    payload: dict[str, Any] = field(default_factory=dict)

    def to(self, target: str) -> None:
        """Choose the target of a step that has several."""
        if target not in self.step.targets:
            raise ValueError(f"{self.step.name} cannot lead to {target}")
        self.target = target


@dataclass
class MoveMany(Generic[D]):
    """A step of many documents at once; ``set`` gives fields that all of them get."""

    documents: list[D]
    values: dict[str, Any] = field(default_factory=dict)

    def set(self, **values: Any) -> None:
        """Set the same values on every document when the step is saved."""
        self.values.update(values)


def allow(actor: User, permission: str) -> None:
    """Refuse an actor without a permission; the system's own users may do everything.

    Raises:
        NotAllowed: the actor lacks it.
    """
    if actor.kind != "system" and not actor.has_perm(permission):
        raise NotAllowed(details={"permission": permission})


class Lifecycle(Generic[D]):
    """The table of legal moves of one model's status field."""

    def __init__(
        self, model: type[D], *, initial: Sequence[str], steps: Sequence[Step], field: str = "status", number: str = ""
    ) -> None:
        """Register the table on ``model``; ``number`` names the field that people know the document by."""
        self.model = model
        self.field = field
        self.number = number
        self.initial = tuple(str(status) for status in initial)
        self.steps = {step.name: step for step in steps}
        if len(self.steps) != len(steps):
            raise ValueError(f"{model._meta.label}: a step is declared twice")
        choices = {str(value) for value, _ in model._meta.get_field(field).flatchoices}  # type: ignore[union-attr]
        named = {status for step in steps for status in (*step.sources, *step.targets)} | set(self.initial)
        if named - choices:
            raise ValueError(f"{model._meta.label}: unknown statuses {sorted(named - choices)}")
        model.lifecycle = self

    @classmethod
    def all(cls) -> list[Lifecycle[Any]]:
        """Return every registered lifecycle, by model label."""
        from django.apps import apps

        found = [model.__dict__["lifecycle"] for model in apps.get_models() if model.__dict__.get("lifecycle")]
        return sorted(found, key=lambda lifecycle: lifecycle.model._meta.label)

    def legal(self, status: str) -> list[Step]:
        """Return the steps that may be taken from a status."""
        return [step for step in self.steps.values() if status in step.sources]

    def available(self, document: D, actor: User, *, as_customer: bool = False) -> list[Step]:
        """Return the steps that are legal now and that this actor may take, in table order."""
        steps = self.legal(getattr(document, self.field))
        if as_customer:
            return [step for step in steps if step.by_customer]
        return [step for step in steps if step.permission and actor.has_perm(step.permission)]

    def _refuse(self, name: str, pk: Any) -> InvalidTransition:
        status = self.model.all_objects.filter(pk=pk).values_list(self.field, flat=True).first()
        if status is None:
            raise NotFound(details={"model": self.model._meta.verbose_name, "id": pk})
        allowed = [step.name for step in self.legal(status)]
        return InvalidTransition(
            f"{name} is not possible from {status}.",
            details={"step": name, "status": status, "allowed": allowed, "id": pk},
        )

    def _lock(self, pks: Sequence[Any], step: Step) -> int:
        rows = self.model.all_objects.filter(pk__in=pks, **{f"{self.field}__in": step.sources})
        return models.QuerySet.update(rows, **{self.field: F(self.field)})

    def _fact(self, document: D, step: Step, source: str, target: str, payload: dict[str, Any]) -> outbox.Fact | None:
        if step.fact is None:
            return None
        body = {"id": document.pk, "from": source, "to": target, **payload}
        if self.number:
            body["number"] = getattr(document, self.number)
        return outbox.Fact(step.fact, f"{self.model._meta.label_lower}:{document.pk}", body)

    @contextmanager
    def step(
        self, document: D, name: str, *, actor: User, reason: str = "", is_locked: bool = False
    ) -> Iterator[Move[D]]:
        """Take one step: lock, re-read ``document`` in place, run the block, save status, history and fact.

        Needs a transaction (every verb is one). An error in the block leaves nothing behind. With ``is_locked`` the
        caller holds the document's lock and has read it since: it is taken as it is, with what was changed on it.

        Raises:
            InvalidTransition: the step is not legal from the present status.
            ReasonRequired: the step needs a reason and none was given.
        """
        step = self.steps[name]
        if step.reason_required and not reason.strip():
            raise ReasonRequired(details={"step": name})
        if is_locked:
            if getattr(document, self.field) not in step.sources:
                raise self._refuse(name, document.pk)
        elif not self._lock([document.pk], step):
            raise self._refuse(name, document.pk)
        else:
            document.refresh_from_db()
        source = getattr(document, self.field)
        move = Move(document, step, source, step.targets[0])
        with acting(actor, reason or None):
            yield move
            setattr(document, self.field, move.target)
            document._moving = True  # type: ignore[attr-defined]
            try:
                document.save()
            finally:
                document._moving = False  # type: ignore[attr-defined]
            fact = self._fact(document, step, source, move.target, move.payload)
            if fact:
                outbox.emit_all([fact])

    @contextmanager
    def step_many(
        self,
        documents: Sequence[D],
        name: str,
        *,
        actor: User,
        reason: str = "",
        is_locked: bool = False,
        is_saved: bool = True,
    ) -> Iterator[MoveMany[D]]:
        """Take one single-target step of many documents in a constant number of statements; all or none.

        The documents' status, version and given values are saved; other changes made in the block are not. With
        ``is_locked`` the caller holds their locks and has read them since; without ``is_saved`` it saves them itself,
        after the step.

        Raises:
            InvalidTransition: for the first document from which the step is not legal.
        """
        step = self.steps[name]
        if step.reason_required and not reason.strip():
            raise ReasonRequired(details={"step": name})
        documents = sorted(documents, key=lambda document: document.pk)
        move = MoveMany(list(documents))
        if not documents:
            yield move
            return
        pks = [document.pk for document in documents]
        if is_locked:
            fresh = {document.pk: document for document in documents}
            count = sum(getattr(document, self.field) in step.sources for document in documents)
        else:
            count = self._lock(pks, step)
            fresh = {row.pk: row for row in self.model.all_objects.filter(pk__in=pks)}
        if count != len(pks):
            wrong = next(pk for pk in pks if pk not in fresh or getattr(fresh[pk], self.field) not in step.sources)
            raise self._refuse(name, wrong)
        for document in documents:
            for column in document._meta.concrete_fields:
                setattr(document, column.attname, getattr(fresh[document.pk], column.attname))
            document._remember_status()
        sources = {document.pk: getattr(document, self.field) for document in documents}
        target = step.targets[0]
        with acting(actor, reason or None):
            yield move
            now, acts = timezone.now(), current()
            values = {self.field: target, "updated_at": now, "updated_by": acts.actor if acts else None, **move.values}
            if is_saved:
                models.QuerySet.update(self.model.all_objects.filter(pk__in=pks), version=F("version") + 1, **values)
            for document in documents:
                for name_of_field, value in values.items():
                    setattr(document, name_of_field, value)
                document.version += 1
                document._remember_status()
            write_history(documents)
            facts = [self._fact(document, step, sources[document.pk], target, {}) for document in documents]
            outbox.emit_all([fact for fact in facts if fact])

    def mermaid(self) -> str:
        """Return the lifecycle as a Mermaid state diagram."""
        lines = ["stateDiagram-v2"]
        lines += [f"    [*] --> {status}" for status in self.initial]
        for step in self.steps.values():
            for source in step.sources:
                lines += [f"    {source} --> {target}: {step.name}" for target in step.targets]
        left = {status for step in self.steps.values() for status in step.sources}
        ends = {status for step in self.steps.values() for status in step.targets} - left
        lines += [f"    {status} --> [*]" for status in sorted(ends)]
        return "\n".join(lines)
