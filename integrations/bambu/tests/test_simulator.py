import io
import json
import random
import threading
from datetime import UTC, datetime, timedelta

import pytest
from paho.mqtt.client import MQTTv311
from paho.mqtt.publish import single

from integrations.bambu.connection import Link, PrinterConnection
from integrations.bambu.decide import ENDINGS, ExpectedJob, Kind, PrinterWatch, Timing
from integrations.bambu.ftps import upload
from integrations.bambu.protocol import new_submission_id, parse, pause, project_file, resume, stop
from integrations.bambu.simulator import (
    Ending,
    Family,
    FaultPlan,
    FaultRates,
    Ids,
    Pace,
    Reel,
    SimulatedFarm,
    SimulatedPrinter,
    Unsigned,
)
from integrations.bambu.simulator.frames import difference, frames_of_a_delta
from integrations.bambu.simulator.machine import Machine
from integrations.bambu.simulator.storage import StoredJob, UnusableJob, open_job
from integrations.bambu.state import GcodeState, PrinterState, WriteAccess, merge
from integrations.bambu.tests.files import sliced

ALL = list(Family)
DELTAS = [Family.P1, Family.A1]
TAGGED = "A1B2C3D400000100"
STORED = StoredJob(600, 20, (10.0,))


# --- the machine, told the time --------------------------------------------------------------------------------


def machine(family=Family.X1, *, reels=None, plan=None, stored=STORED, **options):
    def open_it(file_name, plate):
        if stored is None:
            raise UnusableJob(file_name)
        return stored

    made = Machine(
        "M1",
        family,
        reels={0: Reel("PLA", "FF0000")} if reels is None else reels,
        open_job=open_it,
        pace=Pace(time_scale=60, shortest=5, longest=120, linger=1, prepare=2, flash=2),
        **options,
    )
    if plan:
        made.plan(plan)
    return made


def send(target, submission_id=7, trays=(0,)):
    command = project_file(file_name="a.gcode.3mf", submission_id=submission_id, name="a", trays=trays)
    return target.obey("project_file", command.fields)


def run(target, seconds, step=0.1):
    happened = []
    for _ in range(round(seconds / step)):
        happened += target.advance(step)
    return happened


def shown(target):
    return PrinterState.read(target.report())


def test_a_job_passes_through_the_states_of_a_real_one():
    target = machine()
    assert send(target)["result"] == "success"
    seen = []
    for _ in range(200):
        state = shown(target).gcode_state
        if not seen or seen[-1] is not state:
            seen.append(state)
        target.advance(0.1)
    assert seen == [GcodeState.IDLE, GcodeState.PREPARE, GcodeState.RUNNING, GcodeState.FINISH]
    assert [(o.submission_id, o.ending, o.percent, o.grams) for o in target.outcomes] == [
        ("7", Ending.FINISHED, 100, {0: 10.0})
    ]


def test_the_old_end_outlives_the_acceptance_of_the_next_job():
    target = machine()
    send(target)
    run(target, 20)
    send(target, 8)
    target.advance(0.5)
    state = shown(target)
    assert (state.gcode_state, state.subtask_id, state.percent) == (GcodeState.FINISH, "8", 100)


def test_a_job_takes_its_predicted_time_within_bounds():
    pace = Pace(time_scale=60, shortest=5, longest=120)
    assert [pace.job_seconds(seconds) for seconds in (0, 600, 10**6)] == [5, 10, 120]


def test_a_job_ends_whatever_its_length():
    """A length such as 4/3 s times 100 and divided again is less than 100."""
    target = machine(stored=STORED)
    send(target)
    target.job.length = 4 / 3
    run(target, 10)
    assert [outcome.percent for outcome in target.outcomes] == [100]


@pytest.mark.parametrize("when", [0.2, 2.0, 5.0])
def test_a_busy_printer_refuses_and_keeps_its_job(when):
    target = machine()
    send(target)
    run(target, when)
    assert send(target, 8)["err_code"] == 0x05004004
    run(target, 20)
    assert [outcome.submission_id for outcome in target.outcomes] == ["7"]


def test_a_failure_shows_its_code_and_where_it_happened():
    target = machine(plan=FaultPlan(fail_at=40, fail_code=0x0300800A))
    send(target)
    run(target, 20)
    state = shown(target)
    assert (state.gcode_state, state.print_error, state.fail_reason) == (GcodeState.FAILED, 0x0300800A, 0x0300800A)
    (outcome,) = target.outcomes
    assert (outcome.ending, outcome.error, outcome.percent) == (Ending.FAILED, "0300_800A", 40)
    assert outcome.grams == {0: pytest.approx(4.0)}


def test_a_cancel_flashes_its_code_and_resets_the_progress():
    target = machine(Family.P1, plan=FaultPlan(cancel_at=30))
    send(target)
    errors = set()
    for _ in range(200):
        target.advance(0.1)
        errors.add(shown(target).print_error)
    state = shown(target)
    assert errors == {0, 0x0300400C}
    assert (state.gcode_state, state.percent, state.print_error) == (GcodeState.FAILED, 0, 0)
    assert "fail_reason" not in target.report()
    assert [outcome.ending for outcome in target.outcomes] == [Ending.CANCELLED]


def test_a_job_stopped_before_it_prepares_never_prints():
    target = machine()
    send(target)
    target.obey("stop", {})
    run(target, 20)
    assert [(outcome.ending, outcome.percent) for outcome in target.outcomes] == [(Ending.CANCELLED, 0)]


def test_small_models_forget_the_layers_and_keep_a_stale_remaining_time():
    target = machine(Family.P1, plan=FaultPlan(fail_at=50))
    send(target)
    run(target, 20)
    state = shown(target)
    assert state.total_layers == 0
    assert state.remaining_minutes == 5


def test_a_pause_waits_for_a_resume():
    target = machine()
    send(target)
    run(target, 5)
    assert target.obey("pause", {})["result"] == "success"
    run(target, 60)
    assert (shown(target).gcode_state, shown(target).stage) == (GcodeState.PAUSE, 16)
    target.obey("resume", {})
    run(target, 20)
    assert [outcome.ending for outcome in target.outcomes] == [Ending.FINISHED]


def test_a_planned_pause_ends_by_itself():
    target = machine(plan=FaultPlan(pause_at=30, pause_seconds=3))
    send(target)
    run(target, 7)
    assert (shown(target).gcode_state, shown(target).print_error) == (GcodeState.PAUSE, 0x03008004)
    run(target, 20)
    assert [outcome.ending for outcome in target.outcomes] == [Ending.FINISHED]


def test_an_empty_tray_pauses_the_job_until_it_is_loaded():
    target = machine(reels={})
    send(target, trays=(3,))
    run(target, 5)
    assert (shown(target).gcode_state, shown(target).print_error) == (GcodeState.PAUSE, 0x07008012)
    target.obey("resume", {})
    assert shown(target).gcode_state is GcodeState.PAUSE
    target.reels[3] = Reel("PLA", "00FF00")
    target.obey("resume", {})
    run(target, 20)
    assert [outcome.ending for outcome in target.outcomes] == [Ending.FINISHED]


def test_a_power_cut_leaves_an_idle_printer_that_remembers_nothing():
    target = machine(plan=FaultPlan(power_cut_at=50))
    send(target)
    run(target, 20)
    state = shown(target)
    assert (state.gcode_state, state.subtask_id, state.subtask_name) == (GcodeState.IDLE, "", "")
    assert [(outcome.ending, outcome.percent) for outcome in target.outcomes] == [(Ending.ABORTED, 50)]


@pytest.mark.parametrize(("stored", "plan"), [(None, None), (StoredJob(600, 20, ()), FaultPlan(reject=True))])
def test_a_file_it_cannot_read_is_rejected_before_printing(stored, plan):
    target = machine(stored=stored, plan=plan)
    send(target)
    run(target, 10)
    assert shown(target).gcode_state is GcodeState.FAILED
    assert [(outcome.ending, outcome.percent) for outcome in target.outcomes] == [(Ending.REJECTED, 0)]


def test_a_printer_that_wants_signatures_says_so_and_does_nothing():
    target = machine(plan=FaultPlan(unsigned=Unsigned.REFUSED))
    assert shown(target).write_access is WriteAccess.NO
    assert send(target)["err_code"] == 84033543
    assert [message.code for message in shown(target).health] == ["0500_0500_0001_0007"]
    run(target, 20)
    assert (target.outcomes, shown(target).gcode_state) == ([], GcodeState.IDLE)


def test_a_printer_that_ignores_unsigned_commands_only_echoes_the_id():
    target = machine(Family.P1, plan=FaultPlan(unsigned=Unsigned.IGNORED))
    assert send(target) is None
    run(target, 20)
    assert (shown(target).subtask_id, shown(target).gcode_state) == ("7", GcodeState.IDLE)
    assert shown(target).write_access is WriteAccess.UNKNOWN


def test_health_messages_last_as_long_as_the_job():
    target = machine(plan=FaultPlan(health=((50331904, 65543),)))
    send(target)
    run(target, 5)
    assert [message.code for message in shown(target).health] == ["0300_0100_0001_0007"]
    run(target, 20)
    assert shown(target).health == ()


def test_only_a_tagged_reel_knows_what_is_left():
    target = machine(reels={0: Reel("PLA", "FF0000", tag_uid=TAGGED, weight_grams=100), 254: Reel("TPU", "00FF00")})
    send(target)
    run(target, 20)
    assert [(tray.number, tray.remain) for tray in shown(target).trays] == [(0, 90), (254, None)]


def test_the_same_seed_meets_the_same_faults():
    rates = FaultRates(fail=0.3, cancel=0.3, pause=0.3, drop=0.3)
    first, second = ([rates.draw(generator) for _ in range(30)] for generator in (random.Random(5), random.Random(5)))
    assert first == second
    assert len({plan.fail_at for plan in first}) > 2


def test_no_rates_mean_no_faults():
    plan = FaultRates().draw(random.Random(1))
    assert (plan.fail_at, plan.cancel_at, plan.drop_at, plan.reject) == (None, None, None, False)


def test_a_fault_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="explode"):
        FaultPlan.read({"explode": True})


@pytest.mark.parametrize("family", ALL)
def test_a_full_frame_is_recognised_as_one(family):
    (event,) = parse(json.dumps({"print": machine(family).report()}).encode())
    assert event.is_full
    assert ("msg" in event.fields) is (family is not Family.H2)


def test_the_deltas_of_a_whole_job_add_up_to_its_state():
    reels = {0: Reel("PLA", "FF0000", tag_uid=TAGGED, weight_grams=20), 129: Reel("PETG", "000000")}
    target = machine(Family.A1, reels=reels, plan=FaultPlan(pause_at=40, pause_seconds=1))
    merged = sent = target.report()
    send(target)
    for step in range(250):
        target.advance(0.1)
        if step == 150:
            target.reels[1] = target.reels.pop(0)
        state = target.report()
        for frame in frames_of_a_delta(difference(sent, state)):
            merged = merge(merged, frame)
        sent = state
        assert merged == state


# --- the memory card -------------------------------------------------------------------------------------------


def test_a_stored_job_tells_time_layers_and_grams(tmp_path):
    (tmp_path / "a.3mf").write_bytes(sliced(seconds=900, layers=33, grams=(2.5, 4), plate=2))
    assert open_job(tmp_path, "a.3mf", 2) == StoredJob(900.0, 33, (2.5, 4.0))


@pytest.mark.parametrize(
    ("file_name", "plate"), [("b.3mf", 1), ("a.3mf", 2), ("real.3mf", 1), ("rubbish.3mf", 1), ("../a.3mf", 1), ("", 1)]
)
def test_only_a_plate_made_by_the_simulated_slicer_is_taken(tmp_path, file_name, plate):
    (tmp_path / "a.3mf").write_bytes(sliced())
    (tmp_path / "real.3mf").write_bytes(sliced(simulated=False))
    (tmp_path / "rubbish.3mf").write_bytes(b"rubbish")
    with pytest.raises(UnusableJob):
        open_job(tmp_path, file_name, plate)


# --- the whole way: upload, command, frames, decision ----------------------------------------------------------


QUICK = Pace(time_scale=600, shortest=1.5, longest=3, linger=0.3, prepare=0.4, flash=0.6)
TIMING = Timing(debounce=timedelta(seconds=0.2), hold=timedelta(seconds=3))


class Desk:
    """What the system keeps for one printer: connection, merged picture, watch and the decisions so far."""

    def __init__(self, printer):
        self.printer = printer
        self.mirror_events, self.decisions = [], []
        self.lock = threading.Lock()
        self.watch = PrinterWatch(timing=TIMING)
        self.picture = {}
        self.connection = PrinterConnection(printer.address, on_frame=self.frame, on_link=self.link)
        self.state = None

    def frame(self, serial, payload):
        with self.lock:
            for event in parse(payload):
                if hasattr(event, "is_full"):
                    self.picture = merge(self.picture, event.fields, is_full=event.is_full)
                    if "gcode_state" in self.picture:
                        self.state = PrinterState.read(self.picture)
                        self.decisions += self.watch.observe(self.state, datetime.now(UTC))
                elif hasattr(event, "succeeded"):
                    self.decisions += self.watch.answer(event, datetime.now(UTC))

    def link(self, serial, link, reason):
        if link is Link.CONNECTING:
            with self.lock:
                self.watch.link_lost()

    def ready(self):
        self.tick()
        return self.connection.link is Link.ONLINE and self.state and self.state.gcode_state.takes_a_job

    def tick(self):
        with self.lock:
            self.decisions += self.watch.tick(datetime.now(UTC))

    def print(self, content=None, name="a"):
        file_name = f"{name}.gcode.3mf"
        upload(self.printer.address, io.BytesIO(content or sliced(seconds=900)), file_name=file_name)
        submission_id = new_submission_id()
        job = ExpectedJob(str(submission_id), name, datetime.now(UTC), self.state.gcode_state, self.state.subtask_id)
        with self.lock:
            self.watch.expect(job)
        self.connection.send(project_file(file_name=file_name, submission_id=submission_id, name=name, trays=[0]))
        return str(submission_id)

    def ended(self):
        self.tick()
        return bool(self.decisions) and self.decisions[-1].kind in ENDINGS

    def kinds(self):
        return [decision.kind for decision in self.decisions if decision.kind is not Kind.PROGRESS]


@pytest.fixture
def desks(tmp_path, any_broker, wait_for, request):
    """Return a function that switches on a farm (one printer per entry) and connects a desk to each printer."""
    open_desks, farms = [], []

    def start(*families, **options):
        tag = f"{abs(hash(request.node.nodeid)) % 10**8}"
        printers = [
            SimulatedPrinter(
                f"SIM{tag}{index}",
                tmp_path / f"card{index}",
                family=family,
                reels={0: Reel("PLA", "FF0000")},
                broker_host=any_broker[0],
                broker_port=any_broker[1],
                pace=QUICK,
                frame_seconds=0.05,
                **options,
            )
            for index, family in enumerate(families)
        ]
        farms.append(SimulatedFarm(printers).start())
        mine = [Desk(printer) for printer in printers]
        open_desks.extend(mine)
        for desk in mine:
            desk.connection.start()
        for desk in mine:
            wait_for(desk.ready)
        return mine

    yield start
    for desk in open_desks:
        desk.connection.stop()
    for farm in farms:
        farm.stop()


def test_every_family_prints_and_the_watch_tells_the_truth(desks, wait_for):
    farm = desks(*ALL)
    sent = [desk.print() for desk in farm]
    for desk, submission_id in zip(farm, sent, strict=True):
        wait_for(desk.ended)
        assert desk.kinds() == [Kind.STARTED, Kind.FINISHED]
        assert [outcome.submission_id for outcome in desk.printer.outcomes] == [submission_id]
        assert max(d.state.percent for d in desk.decisions if d.kind is Kind.PROGRESS) >= 80
        recorded = (desk.printer.folder / "outcomes.jsonl").read_text().splitlines()
        assert [json.loads(line)["ending"] for line in recorded] == ["finished"]
    for desk in farm:
        desk.print(name="b")
    for desk in farm:
        wait_for(lambda desk=desk: desk.ended() and len(desk.printer.outcomes) == 2)
        wait_for(lambda desk=desk: desk.ended() and desk.kinds()[2:] == [Kind.STARTED, Kind.FINISHED])


FAULTS = [
    (FaultPlan(fail_at=50), [Kind.STARTED, Kind.FAILED], "0300_8003"),
    (FaultPlan(cancel_at=50), [Kind.STARTED, Kind.CANCELLED], "0300_400C"),
    (FaultPlan(power_cut_at=50), [Kind.STARTED, Kind.ABORTED], None),
    (FaultPlan(reject=True), [Kind.STARTED, Kind.REJECTED], "0500_4003"),
    (FaultPlan(pause_at=40, pause_seconds=1.2), [Kind.STARTED, Kind.PAUSED, Kind.RESUMED, Kind.FINISHED], None),
    (FaultPlan(unsigned=Unsigned.REFUSED), [Kind.REJECTED], "0502_4007"),
    (FaultPlan(unsigned=Unsigned.IGNORED), [Kind.NOT_STARTED], None),
    (FaultPlan(garbage_at=50, duplicate_frames=True), [Kind.STARTED, Kind.FINISHED], None),
]


@pytest.mark.parametrize("family", [Family.X1, Family.P1])
def test_every_fault_is_recognised(desks, wait_for, family):
    farm = desks(*[family] * len(FAULTS))
    for desk, (plan, _, _) in zip(farm, FAULTS, strict=True):
        desk.printer.plan(plan)
        desk.print()
    for desk, (_, expected, code) in zip(farm, FAULTS, strict=True):
        wait_for(desk.ended)
        last = desk.decisions[-1]
        assert (desk.kinds(), last.cause.code if last.cause else None) == (expected, code)


def test_pause_resume_and_stop_are_obeyed(desks, wait_for):
    (desk,) = desks(Family.A1)
    desk.print()
    wait_for(lambda: desk.state.gcode_state is GcodeState.RUNNING)
    desk.connection.send(pause())
    wait_for(lambda: desk.state.gcode_state is GcodeState.PAUSE)
    desk.connection.send(resume())
    wait_for(lambda: desk.state.gcode_state is GcodeState.RUNNING)
    desk.watch.cancel_requested()
    desk.connection.send(stop())
    wait_for(desk.ended)
    assert (desk.decisions[-1].kind, desk.decisions[-1].by_us) == (Kind.CANCELLED, True)
    assert [outcome.ending for outcome in desk.printer.outcomes] == [Ending.CANCELLED]


def test_a_file_that_a_real_slicer_made_is_rejected(desks, wait_for):
    (desk,) = desks(Family.P1)
    desk.print(sliced(simulated=False))
    wait_for(desk.ended)
    assert desk.kinds() == [Kind.STARTED, Kind.REJECTED]


def test_a_printer_that_drops_its_connection_comes_back_and_finishes(desks, wait_for):
    (desk,) = desks(Family.P1)
    desk.printer.plan(FaultPlan(drop_at=40, drop_seconds=0.3))
    desk.print()
    wait_for(desk.ended)
    assert desk.kinds() == [Kind.STARTED, Kind.FINISHED]


def test_a_stream_that_fell_silent_is_woken(desks, wait_for):
    (desk,) = desks(Family.P1)
    desk.connection._stale_seconds = 0.8
    desk.printer.plan(FaultPlan(silent_at=20))
    desk.print()
    wait_for(lambda: desk.connection.check() or desk.ended())
    assert desk.kinds() == [Kind.STARTED, Kind.FINISHED]


def test_another_process_can_play_the_person_at_the_machine(desks, wait_for):
    (desk,) = desks(Family.X1)
    desk.print()
    wait_for(lambda: desk.state.gcode_state is GcodeState.RUNNING)
    broker = desk.connection.address

    def play(act, payload):
        topic = f"simulator/{desk.printer.serial}/{act}"
        single(topic, payload, qos=1, hostname=broker.host, port=broker.mqtt_port, protocol=MQTTv311)

    play("press", "dance")
    play("plan", '{"fail_at": 10}')
    play("press", "cancel")
    wait_for(desk.ended)
    assert desk.kinds() == [Kind.STARTED, Kind.CANCELLED]
    desk.print()
    wait_for(lambda: desk.ended() and desk.kinds()[2:] == [Kind.STARTED, Kind.FAILED])


@pytest.mark.parametrize("seed", [1, 2])
def test_drawn_faults_end_as_the_machine_says(desks, wait_for, seed):
    rates = FaultRates(reject=0.2, fail=0.3, cancel=0.3, power_cut=0.2, garbage=0.5, duplicate_frames=0.5)
    farm = desks(*ALL * 2, rates=rates, seed=seed)
    for desk in farm:
        desk.print()
    for desk in farm:
        wait_for(desk.ended)
        assert desk.decisions[-1].kind.value == desk.printer.outcomes[0].ending.value


# --- quirks that a soak needs -----------------------------------------------------------------------------------


def test_a_deaf_machine_does_nothing_and_takes_the_next_start():
    target = machine(plan=FaultPlan(deaf=True))
    assert send(target) is None
    run(target, 20)
    assert (shown(target).gcode_state, target.outcomes) == (GcodeState.IDLE, [])
    assert send(target, 8)["result"] == "success"


def test_what_a_busy_machine_refused_is_kept():
    target = machine()
    send(target)
    send(target, 8)
    assert [(row.submission_id, row.name, row.busy_with) for row in target.refusals] == [("8", "a", "7")]


def test_a_failure_may_come_without_a_word():
    target = machine(Family.P1, plan=FaultPlan(fail_at=40, fail_code=0))
    send(target)
    run(target, 20)
    assert (shown(target).gcode_state, shown(target).print_error) == (GcodeState.FAILED, 0)
    assert [(o.ending, o.error) for o in target.outcomes] == [(Ending.FAILED, "")]


def test_a_rejected_job_never_printed():
    target = machine(plan=FaultPlan(reject=True))
    send(target)
    run(target, 20)
    assert [(o.ending, o.printed) for o in target.outcomes] == [(Ending.REJECTED, False)]


@pytest.mark.parametrize(
    ("ids", "subtask_id", "task_id"),
    [(Ids.ECHOED, "7", "7"), (Ids.ABSENT, "", "0"), (Ids.OWN_TASK_ID, "", "own")],
)
def test_firmware_shows_ids_in_its_own_way(ids, subtask_id, task_id):
    target = machine(Family.P1, ids=ids)
    send(target)
    run(target, 5)
    report = target.report()
    assert (report["subtask_id"], report["subtask_name"]) == (subtask_id, "a")
    assert report["task_id"] not in ("", "0", "7") if task_id == "own" else report["task_id"] == task_id


def test_a_reel_that_runs_out_is_replaced_by_one_of_the_same_filament():
    reels = {0: Reel("PLA", "FF0000", grams_left=4.0), 2: Reel("PLA", "00FF00"), 3: Reel("PLA", "FF0000")}
    target = machine(reels=reels)
    send(target)
    run(target, 20)
    (outcome,) = target.outcomes
    assert (outcome.ending, sorted(outcome.grams)) == (Ending.FINISHED, [0, 3])
    assert sum(outcome.grams.values()) == pytest.approx(10.0)
    assert outcome.grams[0] == pytest.approx(4.0, abs=0.2)
    assert 0 not in target.reels


def test_a_reel_that_runs_out_alone_pauses_the_job_until_another_is_loaded():
    target = machine(reels={0: Reel("PLA", "FF0000", grams_left=4.0), 1: Reel("PETG", "FF0000")})
    send(target)
    run(target, 20)
    assert (shown(target).gcode_state, shown(target).print_error, shown(target).stage) == (
        GcodeState.PAUSE,
        0x07008011,
        6,
    )
    target.load(0, Reel("PLA", "FF0000"))
    target.press_resume()
    run(target, 20)
    (outcome,) = target.outcomes
    assert (outcome.ending, outcome.percent) == (Ending.FINISHED, 100)
    assert outcome.grams == {0: pytest.approx(10.0)}


def test_an_h2_counts_trays_within_the_unit_and_says_the_rest_elsewhere():
    target = machine(Family.H2, reels={5: Reel("PLA", "FF0000")})
    send(target, trays=(-1, 5))
    run(target, 5)
    report = target.report()
    assert (report["ams"]["tray_now"], report["mapping"]) == ("1", [65535, 257])
    assert shown(target).active_tray == 5
    run(target, 20)
    assert (target.report()["mapping"], shown(target).active_tray) == ([], None)


def test_jobs_stray_from_their_prediction_as_the_pace_says():
    def length(number):
        target = machine(seed=number)
        target.pace = Pace(time_scale=60, shortest=5, longest=120, spread=0.2)
        send(target)
        return target.job.length

    lengths = [length(number) for number in range(50)]
    assert all(8 <= seconds <= 12 for seconds in lengths)
    assert len(set(lengths)) > 40


def test_a_printer_that_comes_back_tells_its_whole_state(desks, wait_for):
    (desk,) = desks(Family.P1)
    seen = []
    receive = desk.connection._on_frame
    desk.connection._on_frame = lambda serial, payload: (seen.append(json.loads(payload)), receive(serial, payload))
    desk.printer.plan(FaultPlan(drop_at=40, drop_seconds=0.3))
    desk.print()
    wait_for(desk.ended)
    full = [frame for frame in seen if len(frame.get("print", {})) > 40]
    assert full, "the connection of the listener never broke, so nobody asked for it"
