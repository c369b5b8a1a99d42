"""Simulated printers: peers that speak the real protocol over a real broker, fail on demand, and remember the truth."""

from integrations.bambu.simulator.faults import FaultPlan, FaultRates, Unsigned
from integrations.bambu.simulator.frames import Family, Ids, Reel
from integrations.bambu.simulator.machine import Ending, Outcome, Pace, Refusal
from integrations.bambu.simulator.printer import SimulatedFarm, SimulatedPrinter, printer_certificate

__all__ = [
    "Ending",
    "Family",
    "FaultPlan",
    "FaultRates",
    "Ids",
    "Outcome",
    "Pace",
    "Reel",
    "Refusal",
    "SimulatedFarm",
    "SimulatedPrinter",
    "Unsigned",
    "printer_certificate",
]
