"""Facts, their deliveries and partners' messages in the console: what is stuck, why, and trying it again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import display

from blb3d.core.admin.columns import status_chip
from blb3d.core.admin.documents import LedgerAdmin
from blb3d.core.admin.verbs import AdminVerb
from blb3d.core.idempotency import IdempotencyRecord
from blb3d.core.inbox import InboundMessage
from blb3d.core.numbering import NumberSequence
from blb3d.core.outbox import EventDelivery, OutboxEvent
from blb3d.core.verbs import verb
from blb3d.core.work import WorkItem, WorkStatus

if TYPE_CHECKING:
    from blb3d.accounts.models import User

W = TypeVar("W", bound=WorkItem)

ERROR_SHOWN = 110


def _words(dotted: str) -> str:
    return dotted.rpartition(".")[2].replace("_", " ").capitalize()


@verb
def replay_work(item: W, *, actor: User) -> W:
    """Put a dead piece of work back to be done at once; a piece that is not dead stays as it is."""
    item.replay()
    return item


def replay_verb(permission: str) -> AdminVerb:
    """Return the act that replays a dead row, for the admin of a work table."""
    return AdminVerb(
        name="replay",
        label="Try again",
        call=replay_work,
        permission=permission,
        style="primary",
        visible=lambda item: item.status == WorkStatus.DEAD,
    )


class WorkAdmin(LedgerAdmin):
    """A table of work: read here, and replayed when it is dead."""

    bulk_verbs = ("replay",)

    @display(description="last error")
    def error(self, obj: WorkItem) -> str:
        """Show the beginning of the last error."""
        text = obj.last_error
        return text[:ERROR_SHOWN] + "…" if len(text) > ERROR_SHOWN else text or "–"


class DeliveryInline(TabularInline):
    """Where a fact went."""

    model = EventDelivery
    fields = ("handler", "chip", "attempts", "next_attempt_at", "last_error")
    readonly_fields = ("chip",)
    extra = 0
    show_change_link = True

    @display(description="status")
    def chip(self, obj: EventDelivery) -> SafeString:
        """Show the status as a chip."""
        return status_chip(obj)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False


@admin.register(OutboxEvent)
class OutboxEventAdmin(LedgerAdmin):
    list_display = ("topic", "key", "created_at", "relayed_at")
    list_filter = ("topic", ("created_at", RangeDateTimeFilter))
    search_fields = ("topic", "key", "request_id")
    ordering = ("-id",)
    header_fields = ("key", "created_at", "relayed_at", "request_id")
    fields = ("payload",)
    inlines = (DeliveryInline,)


@admin.register(EventDelivery)
class EventDeliveryAdmin(WorkAdmin):
    list_display = ("happened", "about", "short_handler", "status", "attempts", "next_attempt_at", "error")
    list_filter = ("status", "handler")
    list_related = ("event",)
    search_fields = ("handler", "event__topic", "event__key", "last_error")
    ordering = ("-id",)
    header_fields = ("event", "attempts", "next_attempt_at", "finished_at")
    fields = ("handler", "last_error")
    extra_verbs = (replay_verb("core.change_eventdelivery"),)

    def heading(self, obj: EventDelivery) -> str:
        """Name the fact and the handler's own name."""
        return f"{self.happened(obj)} {self.about(obj)}: {_words(obj.handler).lower()}"

    @display(description="what happened", ordering="event__topic")
    def happened(self, obj: EventDelivery) -> SafeString:
        """Show the fact in words, its topic on hover."""
        return format_html('<span title="{}">{}</span>', obj.event.topic, _words(obj.event.topic))

    @display(description="to", ordering="event__key")
    def about(self, obj: EventDelivery) -> str:
        """Show the number of the document that it happened to, else its key."""
        return str(obj.event.payload.get("number") or obj.event.key)

    @display(description="what is to be done", ordering="handler")
    def short_handler(self, obj: EventDelivery) -> SafeString:
        """Show the handler's own name in words, its address on hover."""
        return format_html('<span title="{}">{}</span>', obj.handler, _words(obj.handler))


@admin.register(InboundMessage)
class InboundMessageAdmin(WorkAdmin):
    list_display = ("provider", "topic", "subject", "status", "attempts", "received_at", "error")
    list_filter = ("status", "provider", "topic", ("received_at", RangeDateTimeFilter))
    search_fields = ("external_id", "subject", "topic", "last_error")
    ordering = ("-id",)
    header_fields = ("provider", "subject", "external_id", "attempts", "received_at", "finished_at")
    fields = ("last_error", "body", "headers", "request_id")
    extra_verbs = (replay_verb("core.change_inboundmessage"),)


@admin.register(NumberSequence)
class NumberSequenceAdmin(LedgerAdmin):
    list_display = ("name", "period", "last_value")
    list_filter = ("name",)
    search_fields = ("name", "period")
    ordering = ("-period", "name")


@admin.register(IdempotencyRecord)
class IdempotencyRecordAdmin(LedgerAdmin):
    list_display = ("digest", "status_code", "created_at")
    search_fields = ("digest",)
    ordering = ("-id",)
