"""The verbs of integrations."""

from integrations.services.mappings import map_product, products_for, products_of, release_mapped_lines

__all__ = ["map_product", "products_for", "products_of", "release_mapped_lines"]
