"""What every document has: audit columns, a version, soft delete, history with user and reason, a guarded status.

``Document`` is the base of every transactional table. Saving stamps who and when, raises the version, and refuses
two things loudly: a row that somebody else changed meanwhile, and a status that did not move through its lifecycle.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from django.conf import settings
from django.db import connections, models
from django.db.models import F
from django.utils import timezone
from simple_history.models import HistoricalRecords

from blb3d.core.actors import current
from blb3d.core.errors import StaleVersion, StatusChangedOutsideLifecycle

if TYPE_CHECKING:
    from blb3d.core.lifecycle import Lifecycle


def _history_user(instance: models.Model, **_: Any) -> Any:
    acting = current()
    return acting.actor if acting else None


class DocumentHistory(HistoricalRecords):
    """History without secrets: a field that ends in ``_encrypted`` is not copied into it."""

    def fields_included(self, model: type[models.Model]) -> list[Any]:
        """Return the fields that a history row holds."""
        return [field for field in super().fields_included(model) if not field.name.endswith("_encrypted")]

    def create_historical_record(self, instance: Any, history_type: str, using: str | None = None) -> None:
        """Write the row the same way for one document as for many."""
        _write_history([instance], history_type)


class DocumentQuerySet(models.QuerySet[Any]):
    """A query set that refuses to set a status past its lifecycle."""

    def update(self, **values: Any) -> int:
        """Update rows in one statement; history rows are not written, so use it for counters and marks only."""
        lifecycle: Lifecycle | None = getattr(self.model, "lifecycle", None)
        if lifecycle is not None and lifecycle.field in values:
            raise StatusChangedOutsideLifecycle(details={"model": self.model._meta.label})
        return super().update(**values)

    update.alters_data = True  # type: ignore[attr-defined]

    def bulk_update(self, objs: Any, fields: Any, batch_size: int | None = None) -> int:
        """Update some fields of many rows; the status is never one of them."""
        lifecycle: Lifecycle | None = getattr(self.model, "lifecycle", None)
        if lifecycle is not None and lifecycle.field in fields:
            raise StatusChangedOutsideLifecycle(details={"model": self.model._meta.label})
        return super().bulk_update(objs, fields, batch_size)

    bulk_update.alters_data = True  # type: ignore[attr-defined]


class LiveManager(models.Manager.from_queryset(DocumentQuerySet)):  # type: ignore[misc]
    """The default manager: rows that were not soft-deleted."""

    def get_queryset(self) -> DocumentQuerySet:
        """Return the live rows."""
        return super().get_queryset().filter(deleted_at__isnull=True)  # type: ignore[no-any-return]


class Document(models.Model):
    """A transactional row with audit columns, version, soft delete and history."""

    #: Set by ``Lifecycle`` for models that have a status.
    lifecycle: ClassVar[Lifecycle | None] = None

    created_at = models.DateTimeField(default=timezone.now, editable=False, db_index=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", null=True, editable=False
    )
    updated_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", null=True, editable=False
    )
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)

    objects = LiveManager()
    all_objects = models.Manager.from_queryset(DocumentQuerySet)()
    history = DocumentHistory(
        inherit=True,
        get_user=_history_user,
        history_id_field=models.BigAutoField(),
        history_change_reason_field=models.CharField(max_length=500, null=True),
        excluded_fields=["created_at", "created_by"],
    )

    class Meta:
        abstract = True

    @classmethod
    def from_db(cls, db: str | None, field_names: Any, values: Any, **later: Any) -> Self:
        """Remember the status that was loaded, so that a change past the lifecycle is seen."""
        instance = super().from_db(db, field_names, values, **later)
        instance._remember_status()
        return instance

    def refresh_from_db(self, *args: Any, **kwargs: Any) -> None:
        """Reload the row and remember its status."""
        super().refresh_from_db(*args, **kwargs)
        self._remember_status()

    def _remember_status(self) -> None:
        lifecycle = type(self).lifecycle
        if lifecycle is not None:
            self._loaded_status = self.__dict__.get(lifecycle.field)

    def _check_status(self) -> None:
        lifecycle = type(self).lifecycle
        if lifecycle is None or getattr(self, "_moving", False):
            return
        value = self.__dict__.get(lifecycle.field)
        if self._state.adding:
            allowed = value in lifecycle.initial
        else:
            loaded = getattr(self, "_loaded_status", None)
            allowed = value is None or loaded is None or value == loaded
        if not allowed:
            raise StatusChangedOutsideLifecycle(details={"model": self._meta.label, "status": str(value)})

    def stamp(self) -> None:
        """Set who and when from the present actor; called by every save and bulk insert."""
        acting = current()
        actor = acting.actor if acting else None
        if self._state.adding and self.created_by_id is None:
            self.created_by = actor
        if actor is not None:
            self.updated_by = actor
        self.updated_at = timezone.now()
        if acting and acting.reason:
            self._change_reason = acting.reason[:500]

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save the row if nobody else did since it was read.

        Raises:
            StaleVersion: another transaction saved the row first.
            StatusChangedOutsideLifecycle: the status was assigned by hand.
        """
        self._check_status()
        adding = self._state.adding
        self.stamp()
        if not adding:
            self.version += 1
            if kwargs.get("update_fields") is not None:
                kwargs["update_fields"] = {*kwargs["update_fields"], "version", "updated_at", "updated_by"}
        try:
            super().save(*args, **kwargs)
        except BaseException:
            if not adding:
                self.version -= 1
            raise
        self._remember_status()

    def _do_update(self, base_qs: Any, using: Any, pk_val: Any, *args: Any) -> Any:
        guarded = base_qs.filter(version=self.version - 1)
        updated = super()._do_update(guarded, using, pk_val, *args)  # type: ignore[misc]
        if not updated and base_qs.filter(pk=pk_val).exists():
            raise StaleVersion(details={"model": self._meta.label, "id": pk_val})
        return updated

    def check_version(self, expected: int | None) -> None:
        """Refuse a write that was made against an older version; None means the caller does not care.

        Raises:
            StaleVersion: ``expected`` is not the present version, which ``details`` gives.
        """
        if expected is not None and expected != self.version:
            raise StaleVersion(details={"expected": expected, "version": self.version})


D = TypeVar("D", bound=Document)


def insert_documents(
    rows: Sequence[D], *, natural_key: str | None = None, within: dict[str, Any] | None = None
) -> list[D]:
    """Insert many documents and their history in a constant number of statements; return them with primary keys.

    ``natural_key`` names a unique field by which the keys are read back on a database that does not return them from
    a bulk insert (SQL Server); it is needed there. ``within`` narrows where it is unique: the lines of one order.
    """
    if not rows:
        return []
    model = type(rows[0])
    for row in rows:
        row._check_status()
        row.stamp()
    created = list(model.all_objects.bulk_create(rows))
    if any(row.pk is None for row in created):
        if natural_key is None:
            raise ValueError(f"{model._meta.label}: a natural key is needed on {connections['default'].vendor}")
        keys = dict(
            model.all_objects.filter(
                **(within or {}), **{f"{natural_key}__in": [getattr(row, natural_key) for row in created]}
            ).values_list(natural_key, "pk")
        )
        for row in created:
            row.pk = keys[getattr(row, natural_key)]
    for row in created:
        row._remember_status()
    write_history(created, update=False)
    return created


def write_history(rows: Sequence[Document], *, update: bool = True) -> None:
    """Write one history row per document in one statement, with the present actor and reason."""
    if rows:
        _write_history(rows, "~" if update else "+")


@cache
def _history_model(model: type[Document]) -> Any:
    # simple-history makes a manager class each time that it is asked for one.
    return model.history.model  # type: ignore[attr-defined]


@cache
def _history_places(model: type[Document]) -> tuple[Callable[[Any], tuple[Any, ...]], list[tuple[str, int | None]]]:
    """Return what reads a row's kept fields, and the history table's columns, each with its place among them."""
    history = _history_model(model)
    names = [field.attname for field in history.tracked_fields]
    places = {name: place for place, name in enumerate(names)}
    return attrgetter(*names), [(field.attname, places.get(field.attname)) for field in history._meta.concrete_fields]


def _write_history(rows: Sequence[Document], kind: str) -> None:
    model, acting = _history_model(type(rows[0])), current()
    read, columns = _history_places(type(rows[0]))
    told = {
        "history_id": None,
        "history_date": timezone.now(),
        "history_user_id": acting.actor.pk if acting else None,
        "history_type": kind,
    }
    common = acting.reason[:500] if acting and acting.reason else None
    history = []
    for row in rows:
        values = read(row)
        told["history_change_reason"] = getattr(row, "_change_reason", None) or common
        # In the order of the columns: so Django makes a row in half the time that names take it.
        history.append(model(*[told[name] if place is None else values[place] for name, place in columns]))
    model.objects.bulk_create(history)


#: Rows that one statement updates.
_UPDATED = 1000


def update_documents(rows: Sequence[D], fields: Sequence[str]) -> None:
    """Save some fields of many documents, raising versions and writing history, in a statement for each 1000.

    The rows must be locked by the caller. The status is never among the fields.
    """
    if not rows:
        return
    for row in rows:
        row._check_status()
        row.stamp()
        row.version += 1
    # A statement compares each of its rows with each, so that it must not be given too many.
    type(rows[0]).all_objects.bulk_update(rows, [*fields, "version", "updated_at", "updated_by"], batch_size=_UPDATED)
    write_history(rows)


def lock_documents(queryset: models.QuerySet[D]) -> list[D]:
    """Lock rows in ascending key order and return them as they are now; needs a transaction.

    The no-op update also takes SQLite's write lock. PostgreSQL would update in the order in which rows happen to lie;
    it locks and reads in one statement instead: a row that it had to wait for is read again once it has it.
    """
    model = queryset.model
    if connections[queryset.db].features.has_select_for_no_key_update:
        wanted = model.all_objects.filter(pk__in=queryset.values("pk")).order_by("pk")
        return list(wanted.select_for_update(no_key=True))
    keys = sorted(queryset.values_list("pk", flat=True))
    models.QuerySet.update(model.all_objects.filter(pk__in=keys), version=F("version"))
    return list(model.all_objects.filter(pk__in=keys).order_by("pk"))


def take_over(document: D, fresh: D) -> None:
    """Give a document the values of the same row that was read later; what hangs on it is read anew when asked for."""
    for field in document._meta.concrete_fields:
        setattr(document, field.attname, getattr(fresh, field.attname))
        if isinstance(field, models.ForeignKey) and field.is_cached(document):
            field.delete_cached_value(document)
    document._prefetched_objects_cache = {}  # type: ignore[attr-defined]
    document._remember_status()


def step_permissions(model_name: str, *steps: str) -> list[tuple[str, str]]:
    """Return the permissions of a model's lifecycle steps, for ``Meta.permissions``: ``confirm_salesorder`` ..."""
    return [(f"{step}_{model_name}", f"Can {step.replace('_', ' ')} {model_name}") for step in steps]
