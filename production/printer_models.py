"""The models of printers by the names that people give them and by the ids that slicers write."""

from __future__ import annotations

#: What slicers write as ``printer_model_id``, by the name of the model.
PRINTER_MODEL_IDS = {
    "X1C": "BL-P001",
    "X1": "BL-P002",
    "X1E": "C13",
    "P1P": "C11",
    "P1S": "C12",
    "P2S": "N7",
    "A1": "N2S",
    "A1 MINI": "N1",
    "H2D": "O1D",
}


def printer_model_id(model: str) -> str:
    """The id that slicers write for a printer model's name ("Bambu Lab P1S", "P1S"), or "" when it is not known."""
    return PRINTER_MODEL_IDS.get(model.upper().removeprefix("BAMBU LAB").strip().replace("X1 CARBON", "X1C"), "")
