"""The verbs of inventory."""

from inventory.selectors.materials import choose_material
from inventory.services.catalogue import (
    BOMLineSpec,
    PlateSpec,
    create_product,
    register_custom_product,
    set_bom,
    set_plates,
    update_product,
)
from inventory.services.consumption import Consumed, Use, consume, give_back, issue
from inventory.services.ledger import Movement, adjust_stock, post_transactions, transfer_stock
from inventory.services.printfiles import attach_print_file, release_print_file, withdraw_print_file
from inventory.services.receipts import (
    expire_lot,
    expire_lots,
    quarantine_lot,
    receive_lot,
    receive_output,
    release_lot,
)
from inventory.services.reservations import Need, Shortage, release_reservations, reserve

__all__ = [
    "BOMLineSpec",
    "Consumed",
    "Movement",
    "Need",
    "PlateSpec",
    "Shortage",
    "Use",
    "adjust_stock",
    "attach_print_file",
    "choose_material",
    "consume",
    "create_product",
    "expire_lot",
    "expire_lots",
    "give_back",
    "issue",
    "post_transactions",
    "quarantine_lot",
    "receive_lot",
    "receive_output",
    "register_custom_product",
    "release_lot",
    "release_print_file",
    "release_reservations",
    "reserve",
    "set_bom",
    "set_plates",
    "transfer_stock",
    "update_product",
    "withdraw_print_file",
]
