"""The verbs of integrations."""

from integrations.services.mappings import map_product, products_for, products_of, release_mapped_lines
from integrations.services.notices import send_test_notice
from integrations.services.slices import (
    ask_for_slices,
    close_slices,
    drop_slice,
    keep_result,
    retry_slice,
    upload_slice,
)

__all__ = [
    "ask_for_slices",
    "close_slices",
    "drop_slice",
    "keep_result",
    "map_product",
    "products_for",
    "products_of",
    "release_mapped_lines",
    "retry_slice",
    "send_test_notice",
    "upload_slice",
]
