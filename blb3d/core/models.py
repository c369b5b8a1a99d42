"""The core's tables, gathered for Django from the modules that own them."""

from blb3d.core.idempotency import IdempotencyRecord
from blb3d.core.inbox import InboundMessage
from blb3d.core.numbering import NumberSequence
from blb3d.core.outbox import EventDelivery, OutboxEvent

__all__ = ["EventDelivery", "IdempotencyRecord", "InboundMessage", "NumberSequence", "OutboxEvent"]
