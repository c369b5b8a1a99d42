"""What 200 printers say, published by a process of its own: no tables, no settings, nothing of what is measured."""

from __future__ import annotations

import json
import random
import socket
import threading
import time
from dataclasses import dataclass
from typing import Any

from integrations.bambu.broker import EmbeddedBroker
from integrations.bambu.mqtt import Target, connect_packet, publish_packet
from integrations.bambu.protocol import report_topic

PRINTERS = 200
DELTAS_PER_FULL = 100
FULL_BYTES, DELTA_BYTES = 8_000, 300
#: Frames under way between publisher and consumer: brokers drop what a slow reader leaves waiting.
WINDOW = 800


# --- what the printers say -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Play:
    """One round: which printers' jobs end, at equal distances, and whether frames come twice and in another order."""

    number: int
    frames: int
    ending: tuple[int, ...] = ()
    ended: tuple[int, ...] = ()
    is_disturbed: bool = False


def serial_of(printer: int) -> str:
    return f"BENCH{printer:05d}"


def submission_of(printer: int) -> str:
    return str(1_000_000 + printer)


def _padded(fields: dict[str, Any], size: int) -> bytes:
    """Return a status push of exactly so many bytes; what is missing stands in a part that nobody reads."""
    frame = {"print": {**fields, "command": "push_status", "sequence_id": "2021", "net": {"conf": ""}}}
    room = size - len(json.dumps(frame, separators=(",", ":")))
    frame["print"]["net"]["conf"] = "x" * max(0, room)
    return json.dumps(frame, separators=(",", ":")).encode()


def full_frame(printer: int, *, percent: int, is_over: bool) -> bytes:
    """Return the whole state of a printer."""
    fields: dict[str, Any] = {f"setting_{number}": number for number in range(30)} | {
        "gcode_state": "FINISH" if is_over else "RUNNING",
        "mc_percent": 100 if is_over else percent,
        "mc_remaining_time": 0 if is_over else 100 - percent,
        "layer_num": 2 * percent,
        "total_layer_num": 200,
        "stg_cur": 255 if is_over else 0,
        "print_error": 0,
        "hms": [],
        "subtask_id": submission_of(printer),
        "subtask_name": f"PJ-B-{printer}",
        "task_id": submission_of(printer),
        "project_id": submission_of(printer),
        "gcode_file": "",
        "nozzle_temper": 220.0,
        "nozzle_target_temper": 220.0,
        "bed_temper": 55.0,
        "bed_target_temper": 55.0,
        "chamber_temper": 30.0,
        "nozzle_diameter": "0.4",
        "home_flag": -2147483392,
        "upgrade_state": {"status": "IDLE", "progress": "0"},
        "ams": {"ams": [{"id": "0", "humidity": "4", "temp": "25.0", "tray": [_tray(slot) for slot in range(4)]}],
                "ams_exist_bits": "1", "tray_exist_bits": "f", "tray_now": "0", "power_on_flag": True},
        "vt_tray": {"id": "254"},
    }  # fmt: skip
    return _padded(fields, FULL_BYTES)


def _tray(slot: int) -> dict[str, Any]:
    return {
        "id": str(slot),
        "tray_type": "PLA",
        "tray_color": f"{slot:06X}FF",
        "cols": [f"{slot:06X}FF"],
        "tray_info_idx": "GFL99",
        "remain": -1,
        "tag_uid": "0" * 16,
        "tray_uuid": "0" * 32,
        "tray_weight": "0",
    }


def delta_frame(chance: random.Random, percent: int, *, is_progress: bool) -> bytes:
    """Return what a P1 says about every second: temperatures and fans, now and then how far it is."""
    fields: dict[str, Any] = {
        "nozzle_temper": round(chance.uniform(218, 222), 4),
        "bed_temper": round(chance.uniform(54, 56), 4),
        "chamber_temper": round(chance.uniform(28, 31), 2),
        "wifi_signal": f"-{chance.randint(40, 60)}dBm",
        "cooling_fan_speed": str(chance.randint(0, 15)),
        "big_fan1_speed": str(chance.randint(0, 15)),
        "heatbreak_fan_speed": "15",
        "fan_gear": chance.randint(0, 1 << 20),
        "msg": 1,
    }
    if is_progress:
        fields |= {"mc_percent": percent, "mc_remaining_time": 100 - percent, "layer_num": 2 * percent}
    return _padded(fields, DELTA_BYTES)


def frames_of(play: Play) -> list[tuple[int, bytes]]:
    """Return the frames of a round with their printers: each printer in turn, percent growing from round to round."""
    chance = random.Random(play.number)  # noqa: S311 - repeatable, not secret
    over, ending = set(play.ended), list(play.ending)
    frames: list[tuple[int, bytes]] = []
    for number in range(play.frames):
        printer = number % PRINTERS
        percent = min(99, 5 + play.number * 12 + number * 12 // play.frames)
        if ending and number >= (len(play.ending) - len(ending) + 1) * play.frames // len(play.ending) - PRINTERS:
            printer = ending.pop(0)
            over.add(printer)
            fields = {"gcode_state": "FINISH", "mc_percent": 100, "mc_remaining_time": 0, "layer_num": 200}
            frames.append((printer, _padded(fields, DELTA_BYTES)))
        elif number % (DELTAS_PER_FULL + 1) == 0:
            frames.append((printer, full_frame(printer, percent=percent, is_over=printer in over)))
        else:
            progress = number // PRINTERS % 10 == 0 and printer not in over
            frames.append((printer, delta_frame(chance, percent, is_progress=progress)))
    if play.is_disturbed:
        frames = _disturbed(frames, chance)
        # The printers go on talking: what was out of order is set right by what they say next.
        frames += [(printer, full_frame(printer, percent=99, is_over=printer in over)) for printer in range(PRINTERS)]
    return frames


def _disturbed(frames: list[tuple[int, bytes]], chance: random.Random) -> list[tuple[int, bytes]]:
    """Send one frame in ten twice, and let one in ten change places with the next of its printer."""
    for at in range(0, len(frames) - PRINTERS, 10):
        other = at + PRINTERS
        if frames[at][0] == frames[other][0]:
            frames[at], frames[other] = frames[other], frames[at]
    return [frame for row in frames for frame in ([row, row] if chance.random() < 0.1 else [row])]


# --- the publisher, a process of its own -----------------------------------------------------------------------------


def publisher(pipe: Any, taken: Any, host: str, port: int) -> None:
    """Publish rounds as they are asked for, never more than a window ahead of what was taken."""
    own = None
    if not host:
        own = EmbeddedBroker().start()
        host, port = own.host, own.port
    line = socket.create_connection((host, port))
    line.sendall(connect_packet("bench-printers", Target(host, port), keepalive=0))
    line.recv(4)
    threading.Thread(target=_drain, args=(line,), daemon=True).start()
    pipe.send((host, port))
    try:
        while (play := pipe.recv()) is not None:
            frames = [publish_packet(report_topic(serial_of(printer)), frame) for printer, frame in frames_of(play)]
            pipe.send(len(frames))
            pipe.recv()
            for start in range(0, len(frames), WINDOW // 4):
                while start - taken.value > WINDOW - WINDOW // 4:
                    time.sleep(0.0005)
                line.sendall(b"".join(frames[start : start + WINDOW // 4]))
    finally:
        line.close()
        if own:
            own.stop()


def _drain(line: socket.socket) -> None:
    while line.recv(4096):
        continue
