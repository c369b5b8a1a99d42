"""What a simulated printer reports: the whole state by family of models, and the difference between two states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from integrations.bambu.protocol import EXTERNAL_TRAY, NO_TRAY
from integrations.bambu.state import KEYED_LISTS, SIGNED_COMMANDS_BIT

NO_TAG = "0" * 16
NO_SPOOL = "0" * 32
#: These change together with the state but are often sent a frame later (section 8).
IDENTITY_KEYS = ("subtask_id", "subtask_name", "task_id", "project_id", "gcode_file", "total_layer_num")


class Family(StrEnum):
    """Families of models with their own ways (Bambu LAN protocol, sections 2, 3 and 7)."""

    X1 = "X1"
    P1 = "P1"
    A1 = "A1"
    H2 = "H2"

    @property
    def sends_deltas(self) -> bool:
        return self in (Family.P1, Family.A1)

    @property
    def tells_reason(self) -> bool:
        """Tell whether ``fail_reason`` and the function bits are reported at all."""
        return not self.sends_deltas

    @property
    def idle_stage(self) -> int:
        return {Family.X1: -1, Family.P1: 255, Family.A1: 0, Family.H2: -1}[self]

    @property
    def forgets_total_layers(self) -> bool:
        return self is Family.P1

    @property
    def product_name(self) -> str:
        return {Family.X1: "X1 Carbon", Family.P1: "P1S", Family.A1: "A1", Family.H2: "H2D"}[self]


class Ids(StrEnum):
    """What a firmware shows of the ids that it was sent (sections 3, 9 and 10)."""

    ECHOED = "echoed"
    ABSENT = "absent"
    """All of them "0" or empty: old firmware."""
    OWN_TASK_ID = "own_task_id"
    """A short number of its own in ``task_id``, nothing in ``subtask_id``."""


@dataclass
class Reel:
    """Filament in a tray. Only a reel with a ``tag_uid`` tells how much is left; ``grams_left`` None never ends."""

    material: str
    color: str
    remain: float = 100.0
    tag_uid: str = NO_TAG
    tray_uuid: str = NO_SPOOL
    profile: str = "GFL99"
    weight_grams: float = 1000.0
    grams_left: float | None = None

    def ends_after(self, grams: float) -> bool:
        """Tell whether nothing is left once so much was taken."""
        return self.grams_left is not None and grams >= self.grams_left

    def replaces(self, other: Reel) -> bool:
        """Tell whether the unit goes on with this reel where the other one ended."""
        same = (self.material, self.color.upper()) == (other.material, other.color.upper())
        return same and (self.grams_left is None or self.grams_left > 0)

    def fields(self, tray_id: str) -> dict[str, Any]:
        """Return the reel as a tray reports it."""
        has_tag = self.tag_uid != NO_TAG
        color = f"{self.color.lstrip('#').upper()}FF"
        return {
            "id": tray_id,
            "tray_type": self.material,
            "tray_color": color,
            "cols": [color],
            "tray_info_idx": self.profile,
            "remain": round(self.remain) if has_tag else -1,
            "tag_uid": self.tag_uid,
            "tray_uuid": self.tray_uuid,
            "tray_weight": f"{self.weight_grams:.0f}" if has_tag else "0",
        }


def base_fields(family: Family) -> dict[str, Any]:
    """Return the part of the state that never changes here; real printers report all of it."""
    fields: dict[str, Any] = {
        "command": "push_status",
        "msg": 0,
        "nozzle_temper": 25.0,
        "nozzle_target_temper": 0.0,
        "bed_temper": 25.0,
        "bed_target_temper": 0.0,
        "chamber_temper": 25.0,
        "nozzle_diameter": "0.4",
        "nozzle_type": "hardened_steel",
        "heatbreak_fan_speed": "0",
        "cooling_fan_speed": "0",
        "big_fan1_speed": "0",
        "big_fan2_speed": "0",
        "fan_gear": 0,
        "spd_lvl": 2,
        "spd_mag": 100,
        "wifi_signal": "-45dBm",
        "home_flag": -2147483392,
        "sdcard": True,
        "lifecycle": "product",
        "ams_status": 0,
        "ams_rfid_status": 0,
        "hw_switch_state": 1,
        "force_upgrade": False,
        "queue_number": 0,
        "stg": [],
        "s_obj": [],
        "lights_report": [{"node": "chamber_light", "mode": "on"}],
        "online": {"ahb": False, "rfid": False, "version": 0},
        "upgrade_state": {"status": "IDLE", "progress": "0"},
        "ipcam": {"ipcam_record": "disable"},
        "xcam": {"print_halt": True},
        "mc_print_stage": "1",
        "mc_print_sub_stage": 0,
        "profile_id": "0",
    }
    if family is Family.H2:
        del fields["msg"]
    return fields


def spool_fields(reels: dict[int, Reel], active: int) -> dict[str, Any]:
    """Return ``ams`` and ``vt_tray`` for reels by global tray number."""
    units = sorted({number // 4 if number < 128 else number for number in reels if number != EXTERNAL_TRAY})
    bits = 0
    listed = []
    for unit in units:
        numbers = range(unit * 4, unit * 4 + 4) if unit < 128 else (unit,)
        trays = []
        for slot, number in enumerate(numbers):
            reel = reels.get(number)
            trays.append(reel.fields(str(slot)) if reel else {"id": str(slot)})
            if reel:
                bits |= 1 << (number if unit < 128 else 16 + unit - 128)
        listed.append({"id": str(unit), "humidity": "4", "temp": "25.0", "tray": trays})
    external = reels.get(EXTERNAL_TRAY)
    return {
        "ams": {
            "ams": listed,
            "ams_exist_bits": f"{sum(1 << unit for unit in units if unit < 4):x}",
            "tray_exist_bits": f"{bits:x}",
            "tray_now": str(active),
            "power_on_flag": True,
        },
        "vt_tray": external.fields("254") if external else {"id": "254"},
    }


def hot_end_fields(trays: Sequence[int], active: int) -> dict[str, Any]:
    """Return what an H2 says beside ``tray_now``, which counts within one unit there: the hot end's tray, and the
    tray of each filament of the file (section 4)."""
    return {
        "device": {"extruder": {"state": 0, "info": [{"id": 0, "snow": _address(active)}]}},
        "mapping": [_address(tray) for tray in trays],
    }


def _address(tray: int) -> int:
    """Write a global tray number as ``unit << 8 | slot``, 65535 for none."""
    if tray < 0 or tray == NO_TRAY:
        return 0xFFFF
    if tray == EXTERNAL_TRAY:
        return EXTERNAL_TRAY << 8
    return tray << 8 if tray >= 128 else tray // 4 << 8 | tray % 4


def function_bits(*, signed_only: bool) -> str:
    """Return ``fun`` with the bit that tells whether commands must be signed."""
    return f"{0x8000000000 | (SIGNED_COMMANDS_BIT if signed_only else 0):X}"


def difference(old: dict[str, Any], new: dict[str, Any], path: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return what a delta must say to turn ``old`` into ``new``; lists known by id shrink to what changed."""
    changed: dict[str, Any] = {}
    for key, value in new.items():
        before = old.get(key)
        if key in old and before == value:
            continue
        here = (*path, key)
        if here in KEYED_LISTS and isinstance(before, list):
            known = {entry["id"]: entry for entry in before}
            changed[key] = [_entry(known.get(entry["id"]), entry, here) for entry in value
                            if known.get(entry["id"]) != entry]  # fmt: skip
        elif isinstance(value, dict) and isinstance(before, dict) and here != ("vt_tray",):
            changed[key] = difference(before, value, here)
        else:
            changed[key] = value
    return changed


def _entry(old: dict[str, Any] | None, new: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    if old is None or set(new) == {"id"}:
        return new
    return {"id": new["id"], **difference(old, new, path)}


def frames_of_a_delta(change: dict[str, Any]) -> list[dict[str, Any]]:
    """Split a change of state and job into the two frames in which they come: the state, then whose it is."""
    late = {key: change[key] for key in IDENTITY_KEYS if key in change}
    if "gcode_state" not in change or not late:
        return [change]
    return [{key: value for key, value in change.items() if key not in late}, late]
