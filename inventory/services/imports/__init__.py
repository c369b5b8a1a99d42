"""Tables of products, bills, stock and vendors, taken in as a whole."""

from inventory.services.imports.batches import (
    KINDS,
    Kind,
    apply_import,
    check_import,
    discard_import,
    kind_of,
    may_import,
    preview_import,
)

__all__ = [
    "KINDS",
    "Kind",
    "apply_import",
    "check_import",
    "discard_import",
    "kind_of",
    "may_import",
    "preview_import",
]
