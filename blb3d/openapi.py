"""What the OpenAPI schema says beyond the views: names, families, refusals, examples, and the doors of shops."""

from __future__ import annotations

from typing import Any

SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "BLB3D ERP",
    "DESCRIPTION": (
        "Orders, quotes, production and stock of a 3D print farm.\n\n"
        "Money and quantities are decimal strings, times ISO 8601 with an offset. Every refusal has the same body: "
        "`error_code`, `message`, `details`; docs/errors.md lists the codes. Addresses answer with and without a slash "
        "at their end. Writes that a shaky network may repeat take an `Idempotency-Key`; a `version` in the body or "
        "`If-Match` refuses a change to what somebody else has changed meanwhile."
    ),
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    # `make schema-check` judges the schema; a deployment is not the moment.
    "ENABLE_DJANGO_DEPLOY_CHECK": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": r"/api/v[0-9]+",
    "ENUM_ADD_EXPLICIT_BLANK_NULL_CHOICE": False,
    "ENUM_NAME_OVERRIDES": {
        "AddressType": "sales.models.CustomerAddress.Type",
        "CustomerTerms": "sales.models.Customer.Terms",
        "InvoiceKind": "sales.models.Invoice.Kind",
        "MemberRole": "sales.models.CustomerUser.Role",
        "OrderPaymentStatus": "sales.models.SalesOrder.PaymentStatus",
        "OrderSource": "sales.models.SalesOrder.Source",
        "OrderStatus": "sales.models.SalesOrder.Status",
        "OrderType": "sales.models.SalesOrder.Type",
        "PaymentStatus": "sales.models.Payment.Status",
        "ShipmentStatus": "sales.models.Shipment.Status",
        "ApprovalStatus": "quotes.models.QuoteApproval.Status",
        "QuoteFinish": "quotes.models.Quote.Finish",
        "QuoteQuality": "quotes.models.Quote.Quality",
        "QuoteRush": "quotes.models.Quote.Rush",
        "QuoteStatus": "quotes.models.Quote.Status",
        "DetectedAt": "production.models.Nonconformance.DetectedAt",
        "DefectStage": "production.models.DefectReason.Stage",
        "GroupDispatch": "production.models.PrinterGroup.Dispatch",
        "JobPhotoKind": "production.models.JobPhoto.Kind",
        "OperationStatus": "production.models.ProductionOperation.Status",
        "ScheduleRunKind": "production.models.ScheduleRun.Kind",
        "FirmOrderStatus": "production.models.FirmOrder.Status",
        "MRPRunKind": "production.models.MRPRun.Kind",
        "MRPRunStatus": "production.models.MRPRun.Status",
        "PlanDemand": "production.api.mrp.DEMANDS",
        "PlanMessageKind": "production.models.PlanMessage.Kind",
        "PlanNeed": "production.api.mrp.NEEDS",
        "PlanSupply": "production.api.mrp.SUPPLIES",
        "Replenish": "production.models.Replenish",
        "WorkCenterKind": "production.models.WorkCenter.Kind",
        "InspectionType": "production.models.QualityInspection.Type",
        "NonconformanceStatus": "production.models.Nonconformance.Status",
        "PrinterConnection": "production.models.Printer.Connection",
        "PrinterWriteAccess": "production.models.Printer.WriteAccess",
        "PrintJobStatus": "production.models.PrintJob.Status",
        "Priority": "production.models.ProductionOrder.Priority",
        "ProductionOrderStatus": "production.models.ProductionOrder.Status",
        "ProductionSource": "production.models.ProductionOrder.Source",
        "SerialStatus": "production.models.SerialNumber.Status",
        "Severity": "production.models.Nonconformance.Severity",
        "LotStatus": "inventory.models.MaterialLot.Status",
        "ProductCategory": "inventory.models.Product.Category",
        "ProductType": "inventory.models.Product.Type",
        "CostBasis": "inventory.models.LandedCost.Basis",
        "PurchaseOrderStatus": "inventory.models.PurchaseOrder.Status",
        "ReferenceTypeEnum": "inventory.models.Reference",
        "TransactionType": "inventory.models.InventoryTransaction.Kind",
    },
    "PREPROCESSING_HOOKS": ["blb3d.core.api.routers.without_trailing_slash"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "blb3d.openapi.add_webhooks",
        "blb3d.openapi.describe_refusals",
        "blb3d.openapi.add_examples",
    ],
    "TAGS": [
        {"name": "auth", "description": "Accounts, tokens, passwords."},
        {"name": "quotes", "description": "From a file to a price, and to its acceptance."},
        {"name": "sales-orders", "description": "What customers ordered, and every step an order takes."},
        {"name": "customers", "description": "Companies, their people and their addresses."},
        {"name": "payments", "description": "Money in."},
        {"name": "invoices", "description": "Invoices and credit notes."},
        {"name": "shipments", "description": "Parcels."},
        {"name": "production-orders", "description": "What is to be made."},
        {"name": "operations", "description": "What is done to printed parts, and what was reported of it."},
        {"name": "routings", "description": "Which operations a product's parts go through."},
        {"name": "defect-reasons", "description": "Why parts and prints are lost."},
        {"name": "reports", "description": "What the farm made, what it lost, and what that cost."},
        {"name": "print-jobs", "description": "A plate on a printer; print suites report here."},
        {"name": "schedule", "description": "Who does what when, and what waits for what."},
        {"name": "print-files", "description": "Sliced plates, released by a person."},
        {"name": "printers", "description": "Machines."},
        {"name": "dispatch", "description": "What is sent to which printer next, and what a person starts."},
        {"name": "printer-services", "description": "Services of printers that fall due."},
        {"name": "printer-problems", "description": "What people found wrong with printers, and what was done."},
        {"name": "spools", "description": "Reels: what is left on them, weighed by people."},
        {"name": "mrp", "description": "What open orders need of material, and what to buy and to make for them."},
        {"name": "products", "description": "Catalogue and bills of materials."},
        {"name": "inventory", "description": "Stock, lots, places and the ledger."},
        {"name": "vendors", "description": "Who delivers, what, and at which prices."},
        {"name": "purchase-orders", "description": "What is bought: written, approved, ordered, received."},
        {"name": "inspections", "description": "Checks of what was made."},
        {"name": "nonconformances", "description": "What failed a check, and what became of it."},
        {"name": "serials", "description": "Parts by serial number, traced both ways."},
        {"name": "integration", "description": "How the connections to shops and printers stand."},
        {"name": "webhooks", "description": "Where shops report; signed, not logged in."},
    ],
}

#: What a status says when the view says nothing more.
REFUSALS = {
    "400": "The body or a value in it is not valid; `details` names the fields.",
    "401": "No token, session or key, or one that does not hold.",
    "402": "The payment was declined.",
    "403": "Known, but not allowed to do this.",
    "404": "There is no such thing, or none that the caller may see.",
    "409": "Not in this state: the step is not legal now, or somebody changed it meanwhile.",
    "422": "The Idempotency-Key was used with another body.",
    "429": "Too many requests; `Retry-After` says when to come back.",
    "default": "Any other refusal.",
}

_ADDRESS = {
    "shipping_address_line1": "123 Main St",
    "shipping_city": "Fort Wayne",
    "shipping_state": "IN",
    "shipping_zip": "46802",
}
#: operation -> "request" or a status -> a body
EXAMPLES: dict[str, dict[str, Any]] = {
    "auth_login": {
        "request": {"email": "buyer@example.com", "password": "a-long-password"},
        "200": {
            "access_token": "eyJhbGciOiJIUzI1NiJ9.access",
            "refresh_token": "eyJhbGciOiJIUzI1NiJ9.refresh",
            "token_type": "bearer",
            "expires_in": 1800,
        },
    },
    "quotes_create": {
        "201": {
            "id": 1,
            "quote_number": "Q-2026-001",
            "status": "approved",
            "customer_id": 1,
            "product_name": "test",
            "material_type": "PLA",
            "color": "",
            "color_hex": "",
            "quality": "standard",
            "infill_percent": 15,
            "finish": "standard",
            "rush": "standard",
            "quantity": 10,
            "special_instructions": "",
            "customer_po_number": "",
            "material_grams": "14.9300",
            "print_time_minutes": "23.20",
            "unit_price": "1.84",
            "subtotal": "18.40",
            "tax": "1.29",
            "total_price": "19.69",
            "currency": "USD",
            "price_breakdown": [
                {"key": "material", "label": "Material", "amount": "3.55"},
                {"key": "machine", "label": "Machine time", "amount": "8.12"},
                {"key": "setup", "label": "Set-up", "amount": "7.70"},
                {"key": "quantity", "label": "Quantity discount 5%", "amount": "-0.97"},
            ],
            "offered_unit_price": None,
            "offer_reason": "",
            "target_unit_price": None,
            "cost": None,
            "margin_percent": None,
            "ready_by": "2026-04-07",
            "estimate": {
                "method": "geometric",
                "confidence": "20.00",
                "fallback_reason": "The file was not sliced.",
                "sets_per_plate": 10,
            },
            "files": [
                {
                    "id": 1,
                    "file_name": "test.3mf",
                    "size_bytes": 10775,
                    "sha256": "bfe38d362f3f1a722b46915d73951cac64c6903be877e57a94f465e17f528b3b",
                    "mime_type": "model/3mf",
                    "format": "3mf",
                    "scan_result": "clean",
                    "warnings": [],
                    "parts": [
                        {
                            "id": 1,
                            "name": "L bracket",
                            "quantity": 1,
                            "volume_cm3": "25.6622",
                            "size_x_mm": "60.00",
                            "size_y_mm": "40.00",
                            "size_z_mm": "60.00",
                            "is_watertight": True,
                        }
                    ],
                }
            ],
            "materials": [
                {"position": 0, "material_type": "PLA", "color_hex": "", "grams": "14.9300", "sku": None},
            ],
            "processing_note": "",
            "progress_percent": None,
            "review_message": "",
            "approvals": [],
            "requoted_from_id": None,
            "sales_order_id": None,
            "product_id": None,
            "created_at": "2026-04-01T14:02:26.179765Z",
            "submitted_at": "2026-04-01T14:02:26.292030Z",
            "accepted_at": None,
            "expires_at": "2026-05-01T14:02:26.317201Z",
            "version": 3,
            "available_actions": ["ask_changes", "accept", "reject", "cancel", "comment"],
        },
        "400": {
            "error_code": "QUOTE_001",
            "message": "The file cannot be printed.",
            "details": {"file": "test.3mf"},
        },
    },
    "quotes_accept_partial_update": {
        "request": {**_ADDRESS, "customer_po_number": "4711", "payment": {"method": "card", "token": "tok_ok"}},
        "402": {"error_code": "PAYMENT_001", "message": "The payment was declined.", "details": {}},
    },
    "sales_orders_convert": {"request": _ADDRESS},
    "mrp_material_requirements": {
        "200": {
            "count": 1,
            "next": None,
            "previous": None,
            "results": [
                {
                    "material_sku": "PLA-BLACK",
                    "material_name": "PLA black",
                    "total_required_kg": "3.1490",
                    "available_kg": "2.0000",
                    "shortage_kg": "1.1490",
                }
            ],
        }
    },
}


def add_webhooks(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Describe the addresses that shops report to; they are plain views, which the generator does not see."""
    schemes = result["components"].setdefault("securitySchemes", {})
    schemes["squarespaceSignature"] = {"type": "apiKey", "in": "header", "name": "Squarespace-Signature"}
    body = {
        "type": "object",
        "properties": {"id": {"type": "string"}, "topic": {"type": "string"}, "data": {"type": "object"}},
        "required": ["id", "topic", "data"],
    }
    answer = {"type": "object", "properties": {"status": {"const": "received"}}, "required": ["status"]}
    for topic in ("order-created", "order-updated", "extension-uninstall"):
        result["paths"][f"/api/v1/webhooks/squarespace/{topic}"] = {
            "post": {
                "operationId": f"webhooks_squarespace_{topic.replace('-', '_')}",
                "description": "Take a notification in; the same one again changes nothing.",
                "tags": ["webhooks"],
                "security": [{"squarespaceSignature": []}],
                "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
                "responses": {
                    "200": {"description": "It is kept.", "content": {"application/json": {"schema": answer}}}
                },
            }
        }
    return result


def describe_refusals(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Give every operation the refusals that any call may meet, and each refusal its sentence."""
    envelope = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    result["components"]["responses"] = {
        f"Refused_{status}": {"description": sentence, "content": envelope} for status, sentence in REFUSALS.items()
    }
    for operation in _operations(result):
        responses = operation["responses"]
        for status in ("401", "429", "default"):
            responses.setdefault(status, {})
        for status, answer in responses.items():
            if status in REFUSALS and not answer.get("description"):
                responses[status] = {"$ref": f"#/components/responses/Refused_{status}"}
    return result


def add_examples(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Put the examples where they belong; a refusal with one is written out."""
    shared = result["components"]["responses"]
    for operation in _operations(result):
        for place, example in EXAMPLES.get(operation["operationId"], {}).items():
            if place == "request":
                holder = operation["requestBody"]
            else:
                answer = operation["responses"][place]
                name = answer.get("$ref", "").rpartition("/")[2]
                holder = operation["responses"][place] = dict(shared[name]) if name else answer
            holder["content"] = {kind: {**content, "example": example} for kind, content in holder["content"].items()}
    return result


def _operations(result: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for path in result["paths"].values() for operation in path.values()]
