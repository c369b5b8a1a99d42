import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.bambu.state import (
    GcodeState,
    HealthMessage,
    PrinterMirror,
    PrinterState,
    Severity,
    WriteAccess,
    merge,
)


def unit(number, *trays):
    return {"id": str(number), "tray": list(trays)}


def tray(number, **fields):
    return {"id": str(number), **fields}


def pla(number, color="FF0000FF", **fields):
    return tray(number, tray_type="PLA", tray_color=color, **fields)


def mirror_of(*bodies):
    mirror = PrinterMirror()
    for body in bodies:
        mirror.receive(json.dumps({"print": {"command": "push_status", **body}}).encode())
    return mirror


def full(**fields):
    return {**{f"filler_{n}": n for n in range(41)}, "gcode_state": "IDLE", **fields}


def test_a_missing_key_is_unchanged_not_zero():
    assert merge({"mc_percent": 40, "layer_num": 3}, {"layer_num": 4}) == {"mc_percent": 40, "layer_num": 4}


def test_merging_alters_neither_side():
    old, new = {"ams": {"ams": [unit(0, pla(0))]}}, {"ams": {"ams": [unit(0, tray(0, remain=5))]}}
    before = json.dumps([old, new])
    merge(old, new)
    assert json.dumps([old, new]) == before


def test_trays_are_matched_by_id_not_by_place():
    old = {"ams": {"ams": [unit(0, pla(0), pla(1)), unit(1, pla(0))], "tray_now": "0"}}
    merged = merge(old, {"ams": {"ams": [unit(1, tray(0, tray_type="PETG"))]}})
    assert merged["ams"]["tray_now"] == "0"
    assert [(t["id"], t["tray_type"]) for u in merged["ams"]["ams"] for t in u["tray"]] == [
        ("0", "PLA"),
        ("1", "PLA"),
        ("0", "PETG"),
    ]


def test_a_tray_that_is_nothing_but_its_id_was_emptied():
    merged = merge({"ams": {"ams": [unit(0, pla(0))]}}, {"ams": {"ams": [unit(0, tray(0))]}})
    assert merged["ams"]["ams"][0]["tray"] == [{"id": "0"}]


def test_a_full_frame_drops_units_it_no_longer_lists_and_a_delta_does_not():
    old = {"ams": {"ams": [unit(0, pla(0)), unit(1, pla(0))]}}
    new = {"ams": {"ams": [unit(0, pla(0))]}}
    assert len(merge(old, new)["ams"]["ams"]) == 2
    assert len(merge(old, new, is_full=True)["ams"]["ams"]) == 1


def test_health_messages_are_replaced_as_a_whole():
    assert merge({"hms": [{"attr": 1, "code": 2}]}, {"hms": []}) == {"hms": []}


def test_a_printer_that_shuts_down_does_not_empty_its_trays():
    old = {"ams": {"ams": [unit(0, pla(0))], "tray_exist_bits": "1"}}
    assert merge(old, {"ams": {"tray_exist_bits": "0", "power_on_flag": False}, "k": 1}) == {**old, "k": 1}


def test_a_nested_object_keeps_what_the_delta_does_not_name():
    merged = merge(
        {"device": {"extruder": {"state": 1, "info": [{"id": 0, "snow": 3}]}}}, {"device": {"extruder": {"state": 2}}}
    )
    assert merged == {"device": {"extruder": {"state": 2, "info": [{"id": 0, "snow": 3}]}}}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["ams", "tray", "id", "hms", "print", "gcode_state"]), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(json_values, json_values)
def test_no_json_makes_the_mirror_raise(first, second):
    mirror = mirror_of({"gcode_state": "IDLE"})
    mirror.receive(json.dumps({"print": first}).encode())
    mirror.receive(json.dumps({"print": second}).encode())
    assert mirror.state is not None


def test_a_very_deep_frame_cannot_exhaust_the_stack():
    deep = b'{"print":{"command":"push_status","gcode_state":"IDLE","a":' + b'{"a":' * 700 + b"1" + b"}" * 702
    mirror = PrinterMirror()
    mirror.receive(deep)
    mirror.receive(deep)
    assert mirror.merged == {} or mirror.state is not None


def test_there_is_no_state_before_the_printer_says_what_it_does():
    assert mirror_of({"wifi_signal": "-30dBm"}).state is None


def test_the_view_reads_numbers_from_text_and_bounds_them():
    state = PrinterState.read(
        {"gcode_state": "running", "mc_percent": "130", "mc_remaining_time": "61", "layer_num": -1, "subtask_id": "0"}
    )
    assert (state.gcode_state, state.percent, state.remaining_minutes, state.layer, state.subtask_id) == (
        GcodeState.RUNNING,
        100,
        61,
        0,
        "",
    )


@pytest.mark.parametrize("place", [{}, {"ams": {}}])
def test_a_printer_that_says_ever_new_things_does_not_take_all_memory(place):
    mirror = PrinterMirror()
    mirror.receive(json.dumps({"print": {"command": "push_status", "gcode_state": "RUNNING"}}).encode())
    assert mirror.state is not None
    for number in range(60):
        news = {f"k{number}_{i}": "x" * 1000 for i in range(500)}
        fields = {"ams": news} if place else news
        mirror.receive(json.dumps({"print": {"command": "push_status", **fields}}).encode())
    assert mirror.forgotten
    assert len(json.dumps(mirror.merged)) < 10_000_000
    assert mirror.state.gcode_state is GcodeState.RUNNING


def test_an_unknown_or_empty_state_is_unknown():
    assert GcodeState.read("") is GcodeState.read("DANCING") is GcodeState.read(None) is GcodeState.UNKNOWN


@pytest.mark.parametrize(
    ("attr", "code", "text", "severity"),
    [
        (50331904, 65543, "0300_0100_0001_0007", Severity.FATAL),
        (134180864, 131075, "07FF_7000_0002_0003", Severity.SERIOUS),
        (1, 5 << 16, "0000_0001_0005_0000", Severity.UNKNOWN),
    ],
)
def test_a_health_message_has_code_text_and_severity(attr, code, text, severity):
    assert HealthMessage.read({"attr": attr, "code": code}) == HealthMessage(text, severity)


def test_rubbish_in_the_health_list_is_left_out():
    assert PrinterState.read({"hms": [None, {}, {"attr": "x", "code": 1}, 5]}).health == ()


def test_loaded_trays_have_global_numbers_colours_and_tags():
    merged = {
        "ams": {
            "tray_exist_bits": "1001f",
            "ams": [
                unit(
                    0,
                    pla(0, "ff8000FF", tag_uid="AB00000000000001", tray_uuid="C1", remain=47),
                    tray(1),
                    pla(2, state=9),
                ),
                unit(1, pla(0, remain=100, tag_uid="0000000000000000"), pla(1)),
                unit(128, pla(0)),
                {"id": "nonsense"},
            ],
        },
        "vt_tray": {"id": "254", "tray_type": "TPU", "tray_color": "00FF00FF"},
    }
    trays = PrinterState.read(merged).trays
    assert [(t.number, t.material, t.color, t.remain, t.tag_uid) for t in trays] == [
        (0, "PLA", "FF8000", 47, "AB00000000000001"),
        (4, "PLA", "FF0000", None, ""),
        (128, "PLA", "FF0000", None, ""),
        (254, "TPU", "00FF00", None, ""),
    ]


@pytest.mark.parametrize(
    ("fun", "access"),
    [
        ("A0A3000001", WriteAccess.NO),
        ("8083000001", WriteAccess.YES),
        ("20000000", WriteAccess.NO),
        ("1", WriteAccess.YES),
        (None, WriteAccess.UNKNOWN),
        ("zz", WriteAccess.UNKNOWN),
    ],
)
def test_write_access_is_read_from_the_function_bits(fun, access):
    assert PrinterState.read({"fun": fun}).write_access is access


def test_the_signature_health_message_means_no_write_access():
    entry = {"attr": 0x05000500, "code": 0x00010007}
    assert PrinterState.read({"fun": "1", "hms": [entry]}).write_access is WriteAccess.NO


def test_a_refused_command_means_no_write_access_until_the_bits_say_otherwise():
    mirror = mirror_of({"gcode_state": "IDLE"})
    mirror.receive(b'{"print":{"command":"pause","result":"failed","err_code":84033543}}')
    assert mirror.state.write_access is WriteAccess.NO
    mirror.receive(b'{"print":{"command":"push_status","fun":"1"}}')
    assert mirror.state.write_access is WriteAccess.YES


def test_answers_to_commands_do_not_change_the_picture():
    mirror = mirror_of({"gcode_state": "IDLE", "nozzle_diameter": "0.4"})
    mirror.receive(b'{"print":{"command":"extrusion_cali_get","nozzle_diameter":"0.6"}}')
    assert mirror.state.nozzle_diameter == "0.4"


def test_the_firmware_is_part_of_the_state():
    mirror = mirror_of({"gcode_state": "IDLE"})
    mirror.receive(b'{"info":{"command":"get_version","module":[{"name":"ota","sw_ver":"01.08"}]}}')
    assert mirror.state.firmware == "01.08"


def test_a_delta_after_a_full_frame_leaves_the_rest():
    mirror = mirror_of(full(mc_percent=50, subtask_id="9"), {"mc_percent": 51})
    assert (mirror.state.percent, mirror.state.subtask_id) == (51, "9")
