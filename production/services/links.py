"""Writing edges of the trace; each layer writes those it knows."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Q

from production.models import TraceLink

#: A node of the trace: its kind (``TraceLink.Node``) and id.
Node = tuple[str, int]


def link(edges: Iterable[tuple[Node, Node]], *, new: bool = False) -> None:
    """Write edges from what came before to what came of it, once each, in two statements; needs a transaction.

    With ``new`` one of each edge's nodes was made just now, so that no edge can be there already: one statement.
    """
    wanted = {
        ((str(source[0]), source[1]), (str(target[0]), target[1])): None for source, target in edges
    }  # a dict keeps the order
    if wanted:
        known = set() if new else _known(wanted)
        TraceLink.objects.bulk_create(
            TraceLink(source_type=source[0], source_id=source[1], target_type=target[0], target_id=target[1])
            for source, target in wanted
            if (source, target) not in known
        )


def _known(wanted: Iterable[tuple[Node, Node]]) -> set[tuple[Node, Node]]:
    condition = Q()
    for kind in {source[0] for source, _ in wanted}:
        numbers = {source[1] for source, _ in wanted if source[0] == kind}
        condition |= Q(source_type=kind, source_id__in=numbers)
    targets = {target[1] for _, target in wanted}
    return {
        ((source_type, source_id), (target_type, target_id))
        for source_type, source_id, target_type, target_id in TraceLink.objects.filter(
            condition, target_type__in={target[0] for _, target in wanted}, target_id__in=targets
        ).values_list("source_type", "source_id", "target_type", "target_id")
    }
