import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.bambu.protocol import (
    CommandAnswer,
    OtherMessage,
    PrintOptions,
    StatusReport,
    Unreadable,
    UrlForm,
    VersionReport,
    as_int,
    as_text,
    error_code_text,
    new_submission_id,
    parse,
    project_file,
    pushall,
    tray_address,
)


def body(command):
    return json.loads(command.encode())


def test_pushall_is_in_its_envelope():
    assert body(pushall()) == {
        "pushing": {"sequence_id": "0", "command": "pushall", "version": 1, "push_target": 1},
    }


def test_project_file_names_plate_file_ids_and_trays():
    command = project_file(file_name="a.gcode.3mf", submission_id=77, name="a", trays=[1, -1, 129], plate=2)
    fields = body(command)["print"]
    assert fields["command"] == "project_file"
    assert fields["param"] == "Metadata/plate_2.gcode"
    assert fields["url"] == "ftp://a.gcode.3mf"
    assert {fields[key] for key in ("project_id", "subtask_id", "task_id")} == {"77"}
    assert fields["use_ams"] is True
    assert fields["ams_mapping"] == [1, -1, 129]
    assert fields["ams_mapping2"] == [
        {"ams_id": 0, "slot_id": 1},
        {"ams_id": 255, "slot_id": 0},
        {"ams_id": 129, "slot_id": 0},
    ]


def test_a_job_from_the_external_spool_does_not_use_the_ams():
    fields = body(project_file(file_name="a.3mf", submission_id=1, name="a", trays=[254]))["print"]
    assert fields["use_ams"] is False
    assert fields["ams_mapping"] == [-1]


def test_project_file_leaves_out_options_of_hardware_the_printer_lacks():
    plain = body(project_file(file_name="a.3mf", submission_id=1, name="a", trays=[0]))["print"]
    assert not {"layer_inspect", "nozzle_offset_cali"} & set(plain)
    options = PrintOptions(first_layer_inspection=True, nozzle_offset_calibration=False, url_form=UrlForm.SD_CARD)
    full = body(project_file(file_name="a.3mf", submission_id=1, name="a", trays=[0], options=options))["print"]
    assert (full["layer_inspect"], full["nozzle_offset_cali"]) == (True, 0)
    assert full["url"] == "file:///sdcard/a.3mf"


@pytest.mark.parametrize(
    "wrong",
    [
        {"submission_id": 0},
        {"submission_id": 2**31},
        {"file_name": "../a.3mf"},
        {"file_name": "a\r\nDELE b"},
        {"file_name": ""},
        {"trays": [136]},
        {"trays": [-2]},
    ],
)
def test_project_file_refuses_what_a_printer_would_misread(wrong):
    with pytest.raises(ValueError):
        project_file(**{"file_name": "a.3mf", "submission_id": 5, "name": "a", "trays": [0], **wrong})


def test_submission_ids_fit_what_every_printer_keeps():
    assert all(1 <= new_submission_id() < 2**31 for _ in range(200))


@pytest.mark.parametrize(("tray", "unit", "slot"), [(0, 0, 0), (7, 1, 3), (128, 128, 0), (254, 255, 0), (-1, 255, 0)])
def test_a_tray_number_splits_into_unit_and_slot(tray, unit, slot):
    assert tray_address(tray) == {"ams_id": unit, "slot_id": slot}


def test_a_status_push_is_a_report_and_a_long_one_with_a_state_is_full():
    (delta,) = parse(b'{"print":{"command":"push_status","wifi_signal":"-30dBm"}}')
    assert isinstance(delta, StatusReport)
    assert not delta.is_full
    fields = {"command": "push_status", "gcode_state": "IDLE", **{f"k{n}": n for n in range(40)}}
    (full,) = parse(json.dumps({"print": fields}).encode())
    assert full.is_full


def test_a_delta_without_a_command_is_still_a_report():
    assert parse(b'{"print":{"print_error":50348044}}') == (StatusReport({"print_error": 50348044}),)


def test_the_answer_to_a_command_is_not_a_report():
    (answer,) = parse(b'{"print":{"command":"extrusion_cali_get","nozzle_diameter":"0.6","result":"SUCCESS"}}')
    assert isinstance(answer, CommandAnswer)
    assert answer.succeeded is True


@pytest.mark.parametrize(
    "fields",
    [{"reason": "mqtt message verify failed"}, {"err_code": 84033543}, {"err_code": "84033545"}],
)
def test_an_answer_that_wants_a_signature_is_recognised(fields):
    (answer,) = parse(json.dumps({"print": {"command": "pause", "result": "failed", **fields}}).encode())
    assert answer.wants_signature
    assert answer.succeeded is False


def test_a_busy_answer_is_recognised():
    (answer,) = parse(b'{"print":{"command":"project_file","result":"fail","err_code":83902468}}')
    assert answer.was_busy
    assert not answer.wants_signature


def test_firmware_and_product_come_from_the_module_named_ota():
    modules = [{"name": "esp32", "sw_ver": "1"}, {"name": "ota", "sw_ver": "01.02", "product_name": "P2S"}, 7]
    (event,) = parse(json.dumps({"info": {"command": "get_version", "module": modules}}).encode())
    assert event == VersionReport("01.02", "P2S", {"esp32": "1", "ota": "01.02"})


def test_other_messages_are_told_apart():
    assert parse(b'{"camera":{"command":"ipcam_record_set"}}') == (OtherMessage("camera", "ipcam_record_set"),)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xff\xfe\x00",
        b"[]",
        b"{}",
        b"null",
        b"1e999",
        b'{"print":3}',
        b"[" * 100_000,
        b"9" * 5000,
        b"x" * 1_000_001,
    ],
)
def test_garbage_is_a_typed_refusal(payload):
    (event,) = parse(payload)
    assert isinstance(event, Unreadable)


def test_bytes_that_are_not_utf8_inside_a_string_do_not_lose_the_frame():
    (event,) = parse(b'{"print":{"command":"push_status","subtask_name":"caf\xe9","mc_percent":3}}')
    assert event.fields["mc_percent"] == 3


@given(st.binary(max_size=300))
def test_no_bytes_make_the_parser_raise(payload):
    assert len(parse(payload)) >= 1


@pytest.mark.parametrize(
    ("value", "number"),
    [("12", 12), ("-1", -1), (3.9, 3), (True, None), (None, None), ("x", None), (float("inf"), None), ("9" * 30, None)],
)
def test_numbers_may_arrive_as_text_or_rubbish(value, number):
    assert as_int(value) == number


def test_text_is_storable():
    assert as_text("a\x00b\ud800\n" + "c" * 300, limit=5) == "ab?cc"


def test_an_error_is_written_as_people_write_it():
    assert error_code_text(50348044) == "0300_400C"
