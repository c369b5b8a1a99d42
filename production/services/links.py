"""Writing edges of the trace; each layer writes those it knows."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Q

from production.models import TraceLink

#: A node of the trace: its kind (``TraceLink.Node``) and id.
Node = tuple[str, int]


def link(edges: Iterable[tuple[Node, Node]], *, new: bool = False, also_new: Iterable[tuple[Node, Node]] = ()) -> None:
    """Write edges from what came before to what came of it, once each, in two statements; needs a transaction.

    With ``new`` one of each edge's nodes was made just now, so that no edge can be there already: one statement. That
    is so of ``also_new`` in any case, which are written with the rest.
    """
    doubtful = _once(edges)
    wanted = {**doubtful, **_once(also_new)}
    if wanted:
        known = _known(doubtful) if doubtful and not new else set()
        TraceLink.objects.bulk_create(
            TraceLink(source_type=source[0], source_id=source[1], target_type=target[0], target_id=target[1])
            for source, target in wanted
            if (source, target) not in known
        )


def _once(edges: Iterable[tuple[Node, Node]]) -> dict[tuple[Node, Node], None]:
    # a dict keeps the order
    return {((str(source[0]), source[1]), (str(target[0]), target[1])): None for source, target in edges}


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
