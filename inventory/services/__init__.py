"""The verbs of inventory."""

from inventory.selectors.materials import choose_material
from inventory.services.bills import BillLineSpec, approve_bill, cancel_bill, enter_bill, match_bill, pay_bill
from inventory.services.buying import Want, buy
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
from inventory.services.costing import roll_standard_costs
from inventory.services.counting import (
    approve_count,
    cancel_count,
    classify_abc,
    count_found,
    count_line,
    plan_count,
    recount,
    start_count,
    submit_count,
)
from inventory.services.drying import end_drying, open_spool, start_drying
from inventory.services.landed_cost import add_landed_cost
from inventory.services.ledger import (
    Movement,
    adjust_stock,
    post_transactions,
    receive_stock,
    scrap_stock,
    transfer_stock,
)
from inventory.services.library import add_product_file, release_product_file, withdraw_product_file
from inventory.services.lots import attach_certificate, change_expiry
from inventory.services.making import Made, Share, receive_made
from inventory.services.periods import close_period, create_period, reopen_period
from inventory.services.plates import ask_of_printers, make_mixed_plate
from inventory.services.printfiles import (
    ask_for_print_file,
    attach_print_file,
    release_print_file,
    slice_again,
    withdraw_print_file,
)
from inventory.services.proofs import reconcile_stock
from inventory.services.purchase_documents import purchase_order_pdf
from inventory.services.purchasing import (
    PurchaseLineSpec,
    approve_purchase,
    cancel_purchase,
    cancel_purchase_rest,
    charge_purchase,
    close_purchase_short,
    create_purchase_order,
    mark_purchase_sent,
    order_purchase,
    reschedule_purchase,
    send_purchase_again,
    settle_purchase,
)
from inventory.services.receipts import (
    expire_lot,
    expire_lots,
    quarantine_lot,
    receive_lot,
    release_lot,
)
from inventory.services.receiving import PurchaseReceipt, receive_goods, receive_purchase
from inventory.services.requisitions import (
    order_requisition,
    order_requisitions,
    refuse_requisition,
    request_purchase,
)
from inventory.services.reservations import Need, Shortage, hand_over_reservations, release_reservations, reserve
from inventory.services.revaluation import CostAdded, CostShare, CostSpread, add_cost, revalue_stock
from inventory.services.reversal import reverse_transaction
from inventory.services.sourcing import PriceSpec, prefer_vendor_item, set_vendor_item
from inventory.services.spools import Weighed, make_spools, merge_spools, move_spool, split_spool, weigh_spool
from inventory.services.units import UnitSpec, set_product_units
from inventory.services.variants import create_family, make_variants
from inventory.services.vendor_returns import ReturnSpec, credit_return, return_lot, return_to_vendor

__all__ = [
    "BOMLineSpec",
    "BillLineSpec",
    "Consumed",
    "CostAdded",
    "CostShare",
    "CostSpread",
    "Made",
    "Movement",
    "Need",
    "PlateSpec",
    "PriceSpec",
    "PurchaseLineSpec",
    "PurchaseReceipt",
    "ReturnSpec",
    "Share",
    "Shortage",
    "UnitSpec",
    "Use",
    "Want",
    "Weighed",
    "add_cost",
    "add_landed_cost",
    "add_product_file",
    "adjust_stock",
    "approve_bill",
    "approve_count",
    "approve_purchase",
    "ask_for_print_file",
    "ask_of_printers",
    "attach_certificate",
    "attach_print_file",
    "buy",
    "cancel_bill",
    "cancel_count",
    "cancel_purchase",
    "cancel_purchase_rest",
    "change_expiry",
    "charge_purchase",
    "choose_material",
    "classify_abc",
    "close_period",
    "close_purchase_short",
    "consume",
    "count_found",
    "count_line",
    "create_family",
    "create_period",
    "create_product",
    "create_purchase_order",
    "credit_return",
    "end_drying",
    "enter_bill",
    "expire_lot",
    "expire_lots",
    "give_back",
    "hand_over_reservations",
    "issue",
    "make_mixed_plate",
    "make_spools",
    "make_variants",
    "mark_purchase_sent",
    "match_bill",
    "merge_spools",
    "move_spool",
    "open_spool",
    "order_purchase",
    "order_requisition",
    "order_requisitions",
    "pay_bill",
    "plan_count",
    "post_transactions",
    "prefer_vendor_item",
    "purchase_order_pdf",
    "quarantine_lot",
    "receive_goods",
    "receive_lot",
    "receive_made",
    "receive_purchase",
    "receive_stock",
    "reconcile_stock",
    "recount",
    "refuse_requisition",
    "register_custom_product",
    "release_lot",
    "release_print_file",
    "release_product_file",
    "release_reservations",
    "reopen_period",
    "report_consumption",
    "request_purchase",
    "reschedule_purchase",
    "reserve",
    "return_lot",
    "return_to_vendor",
    "revalue_stock",
    "reverse_transaction",
    "roll_standard_costs",
    "scrap_stock",
    "send_purchase_again",
    "set_bom",
    "set_plates",
    "set_product_units",
    "set_vendor_item",
    "settle_purchase",
    "slice_again",
    "split_spool",
    "start_count",
    "start_drying",
    "submit_count",
    "transfer_stock",
    "update_product",
    "weigh_spool",
    "withdraw_print_file",
    "withdraw_product_file",
]
