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
from inventory.services.consumption import Consumed, Use, consume, give_back, issue, report_consumption
from inventory.services.ledger import (
    Movement,
    adjust_stock,
    post_transactions,
    receive_stock,
    scrap_stock,
    transfer_stock,
)
from inventory.services.plates import ask_of_printers, make_mixed_plate
from inventory.services.printfiles import (
    ask_for_print_file,
    attach_print_file,
    release_print_file,
    slice_again,
    withdraw_print_file,
)
from inventory.services.purchasing import (
    PurchaseLineSpec,
    PurchaseReceipt,
    cancel_purchase,
    close_purchase_short,
    create_purchase_order,
    order_purchase,
    receive_purchase,
)
from inventory.services.receipts import (
    expire_lot,
    expire_lots,
    quarantine_lot,
    receive_lot,
    receive_output,
    release_lot,
)
from inventory.services.reservations import Need, Shortage, hand_over_reservations, release_reservations, reserve
from inventory.services.spools import Weighed, move_spool, weigh_spool
from inventory.services.units import UnitSpec, set_product_units

__all__ = [
    "BOMLineSpec",
    "Consumed",
    "Movement",
    "Need",
    "PlateSpec",
    "PurchaseLineSpec",
    "PurchaseReceipt",
    "Shortage",
    "UnitSpec",
    "Use",
    "Weighed",
    "adjust_stock",
    "ask_for_print_file",
    "ask_of_printers",
    "attach_print_file",
    "cancel_purchase",
    "choose_material",
    "close_purchase_short",
    "consume",
    "create_product",
    "create_purchase_order",
    "expire_lot",
    "expire_lots",
    "give_back",
    "hand_over_reservations",
    "issue",
    "make_mixed_plate",
    "move_spool",
    "order_purchase",
    "post_transactions",
    "quarantine_lot",
    "receive_lot",
    "receive_output",
    "receive_purchase",
    "receive_stock",
    "register_custom_product",
    "release_lot",
    "release_print_file",
    "release_reservations",
    "report_consumption",
    "reserve",
    "scrap_stock",
    "set_bom",
    "set_plates",
    "set_product_units",
    "slice_again",
    "transfer_stock",
    "update_product",
    "weigh_spool",
    "withdraw_print_file",
]
