from collections import defaultdict

from blb3d.core.errors import BLB3DError
from blb3d.core.management.commands.error_reference import markdown

FAMILIES = {
    "AUTH", "PERM", "VALID", "QUOTE", "FILE", "MATERIAL", "ORDER", "PAYMENT", "PROD", "PRINT", "STOCK", "LOT",
    "QUALITY", "RMA", "CHANGE", "HOOK", "INTEG", "CONFLICT", "RATE", "NOT_FOUND", "SERVER",
    "FLOOR", "PURCHASE", "COUNT", "IMPORT",
    "PRINTER", "SLICE",  # of the adapters to machines and slicers, told to staff
}  # fmt: skip


def names_by_code():
    markdown()  # loads every app's errors
    names = defaultdict(set)
    for error in BLB3DError.all_codes():
        if "code" in vars(error) and ".tests." not in error.__module__:
            names[error.code].add(f"{error.__module__}.{error.__name__}")
    return names


def test_every_code_belongs_to_a_known_family():
    assert {code.rpartition("_")[0] for code in names_by_code()} - FAMILIES == set()


def test_no_code_has_two_meanings():
    assert {code: sorted(names) for code, names in names_by_code().items() if len(names) > 1} == {}
