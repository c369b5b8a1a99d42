import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from integrations.bambu.decide import Cause, ExpectedJob, Kind, PrinterWatch, Timing
from integrations.bambu.protocol import CommandAnswer
from integrations.bambu.state import GcodeState, HealthMessage, PrinterState, Severity

NOON = datetime(2025, 6, 2, 12, 0, tzinfo=UTC)
CANCEL = 0x0300400C
RUNOUT = 0x03008004
BROKEN = 0x03008003


def after(seconds):
    return NOON + timedelta(seconds=seconds)


def shows(word, *, job="77", name="bracket", **fields):
    return PrinterState(GcodeState(word), subtask_id=job, subtask_name=name, **fields)


def ours(**fields):
    return ExpectedJob(
        **{"submission_id": "77", "subtask_name": "bracket", "sent_at": NOON, "state_before": GcodeState.IDLE, **fields}
    )


IDLE = shows("IDLE", job="", name="")


def watching(first=IDLE, *, job=None, **fields):
    """Return a watch whose link is up, whose first frame is history, and which awaits our job from noon on."""
    watch = PrinterWatch()
    watch.observe(first, after(-10))
    watch.tick(after(-7))
    watch.expect(job or ours(state_before=first.gcode_state, previous_id=first.subtask_id, **fields))
    return watch


def play(watch, *frames, until=None):
    """Feed (seconds, state) frames and the ticks of each second between them; return (kind, inferred) in order."""
    decisions = []
    now = 0.0
    for seconds, state in frames:
        while now + 1 < seconds:
            now += 1
            decisions += watch.tick(after(now))
        now = float(seconds)
        decisions += watch.observe(state, after(now))
    for extra in range(1, int((until or now + 5) - now) + 1):
        decisions += watch.tick(after(now + extra))
    return decisions


def kinds(decisions, *, progress=False):
    return [decision.kind for decision in decisions if progress or decision.kind is not Kind.PROGRESS]


PREPARE = (1, shows("PREPARE"))
RUNNING = (10, shows("RUNNING", percent=1, layer=1))
HALFWAY = (20, shows("RUNNING", percent=50, layer=40))


# --- the plain road --------------------------------------------------------------------------------------------


def test_a_job_starts_advances_and_finishes():
    watch = watching()
    decisions = play(
        watch, PREPARE, RUNNING, (15, shows("RUNNING", percent=1, layer=1)), HALFWAY, (30, shows("FINISH"))
    )
    assert kinds(decisions, progress=True) == [Kind.STARTED, Kind.PROGRESS, Kind.PROGRESS, Kind.FINISHED]
    assert not any(decision.inferred for decision in decisions)
    assert {decision.submission_id for decision in decisions} == {"77"}
    assert decisions[-1].running_since == after(10)
    assert watch.job is None


def test_a_change_is_believed_only_when_it_has_lasted():
    watch = watching()
    assert kinds(play(watch, (1, shows("PREPARE")), until=2)) == []
    assert kinds(watch.tick(after(3))) == [Kind.STARTED]


def test_a_frame_that_comes_late_does_not_hide_what_had_lasted():
    watch = watching()
    watch.observe(shows("PREPARE"), after(1))
    assert kinds(watch.observe(shows("RUNNING"), after(9))) == [Kind.STARTED]


def test_a_flicker_decides_nothing():
    watch = watching()
    frames = [(1, shows("PREPARE")), (5, shows("RUNNING")), (8.0, shows("FAILED")), (8.5, shows("RUNNING")),
              (9.0, shows("IDLE")), (9.2, shows("RUNNING"))]  # fmt: skip
    assert kinds(play(watch, *frames, until=15)) == [Kind.STARTED]


def test_duplicated_frames_say_nothing_new():
    frames = [PREPARE, RUNNING, HALFWAY, (30, shows("FINISH"))]
    doubled = [frame for frame in frames for _ in range(3)]
    assert kinds(play(watching(), *doubled), progress=True) == kinds(play(watching(), *frames), progress=True)


def test_an_older_frame_does_not_turn_progress_back():
    watch = watching()
    advance = [(second, shows("RUNNING", percent=percent)) for second, percent in ((15, 50), (16, 49), (17, 50))]
    decisions = play(watch, PREPARE, RUNNING, *advance)
    assert [d.state.percent for d in decisions if d.kind is Kind.PROGRESS] == [50]
    assert watch.job.max_percent == 50


def test_the_count_of_the_job_before_is_not_taken_for_ours():
    watch = watching()
    play(watch, PREPARE, (10, shows("RUNNING", percent=100)), (13, shows("RUNNING", percent=100)),
         (14, shows("RUNNING", percent=2)))  # fmt: skip
    assert watch.job.max_percent == 2


def test_a_job_too_short_to_be_believed_running_still_finishes():
    watch = watching(shows("FINISH", job="5", name="other"))
    frames = [(1, shows("RUNNING", percent=60)), (2, shows("FINISH", percent=100))]
    assert kinds(play(watch, *frames)) == [Kind.STARTED, Kind.FINISHED]


def test_the_order_of_state_and_name_within_two_seconds_does_not_matter():
    before = shows("FINISH", job="5", name="other")
    orders = [
        [(1, shows("PREPARE", job="5", name="other")), (1.3, shows("PREPARE", job="5")), (1.6, shows("PREPARE"))],
        [(1, shows("FINISH", name="other")), (1.3, shows("FINISH")), (1.6, shows("PREPARE"))],
        [(1, shows("FINISH", job="5")), (1.3, shows("PREPARE", job="5")), (1.6, shows("PREPARE"))],
    ]
    for frames in orders:
        assert kinds(play(watching(before), *frames, RUNNING, (20, shows("FINISH")))) == [Kind.STARTED, Kind.FINISHED]


# --- pauses ----------------------------------------------------------------------------------------------------


def test_a_pause_keeps_the_job_alive_and_tells_why():
    frames = [PREPARE, RUNNING, (20, shows("PAUSE", print_error=RUNOUT)), (30, shows("RUNNING")), (40, shows("FINISH"))]
    decisions = play(watching(), *frames)
    assert kinds(decisions) == [Kind.STARTED, Kind.PAUSED, Kind.RESUMED, Kind.FINISHED]
    assert decisions[1].cause == Cause("0300_8004", "print_error")


def test_a_pause_by_a_person_is_read_from_the_stage():
    decisions = play(watching(), PREPARE, RUNNING, (20, shows("PAUSE", stage=16)))
    assert decisions[-1].cause == Cause("paused by a person", "stage")


def test_a_pause_may_end_in_a_finish():
    frames = [PREPARE, RUNNING, (20, shows("PAUSE")), (30, shows("FINISH"))]
    assert kinds(play(watching(), *frames)) == [Kind.STARTED, Kind.PAUSED, Kind.FINISHED]


# --- bad ends --------------------------------------------------------------------------------------------------


def test_a_failure_carries_the_reason_the_printer_gave():
    serious = HealthMessage("0300_0100_0001_0007", Severity.FATAL)
    end = shows("FAILED", fail_reason=BROKEN, print_error=RUNOUT, health=(serious,))
    decision = play(watching(), PREPARE, RUNNING, (20, end))[-1]
    assert (decision.kind, decision.cause) == (Kind.FAILED, Cause("0300_8003", "fail_reason"))


def test_without_a_reason_a_failure_carries_the_present_error():
    decision = play(watching(), PREPARE, RUNNING, (20, shows("FAILED", print_error=BROKEN)))[-1]
    assert (decision.kind, decision.cause) == (Kind.FAILED, Cause("0300_8003", "print_error"))


def test_without_an_error_a_failure_carries_the_newest_serious_message():
    health = (
        HealthMessage("0300_0100_0001_0007", Severity.FATAL),
        HealthMessage("0C00_0100_0003_0001", Severity.COMMON),
    )
    decision = play(watching(), PREPARE, RUNNING, (20, shows("FAILED", health=health)))[-1]
    assert (decision.kind, decision.cause) == (Kind.FAILED, Cause("0300_0100_0001_0007", "health"))


def test_a_failure_may_have_no_known_cause():
    decision = play(watching(), PREPARE, RUNNING, (20, shows("FAILED")))[-1]
    assert (decision.kind, decision.cause) == (Kind.FAILED, None)


def test_a_reason_left_by_the_job_before_is_not_ours():
    before = shows("FAILED", job="5", fail_reason=CANCEL)
    frames = [(1, shows("PREPARE", fail_reason=CANCEL)), (10, shows("RUNNING", fail_reason=CANCEL)),
              (20, shows("FAILED", fail_reason=CANCEL))]  # fmt: skip
    assert kinds(play(watching(before), *frames)) == [Kind.STARTED, Kind.FAILED]


@pytest.mark.parametrize("field", ["print_error", "fail_reason"])
@pytest.mark.parametrize("code", [CANCEL, 0x0500400E])
def test_a_cancel_code_means_that_a_person_cancelled(field, code):
    decision = play(watching(), PREPARE, RUNNING, (20, shows("FAILED", **{field: code})))[-1]
    assert (decision.kind, decision.by_us) == (Kind.CANCELLED, False)


def test_a_cancel_code_that_flashes_for_an_instant_is_remembered():
    frames = [
        PREPARE,
        RUNNING,
        (20.0, shows("RUNNING", print_error=CANCEL)),
        (20.4, shows("RUNNING")),
        (60, shows("FAILED")),
    ]
    assert kinds(play(watching(), *frames)) == [Kind.STARTED, Kind.CANCELLED]


def test_a_cancel_code_that_follows_the_failure_is_waited_for():
    frames = [PREPARE, RUNNING, (20.0, shows("FAILED")), (21.0, shows("FAILED", fail_reason=CANCEL))]
    assert kinds(play(watching(), *frames)) == [Kind.STARTED, Kind.CANCELLED]


def test_a_cancel_while_preparing_is_a_cancel():
    assert kinds(play(watching(), PREPARE, (9, shows("FAILED", print_error=CANCEL)))) == [Kind.STARTED, Kind.CANCELLED]


def test_a_failure_before_printing_is_a_rejection():
    decisions = play(watching(), PREPARE, (9, shows("FAILED", print_error=BROKEN)))
    assert kinds(decisions) == [Kind.STARTED, Kind.REJECTED]
    assert decisions[-1].cause == Cause("0300_8003", "print_error")


def test_a_rejection_too_quick_to_be_seen_preparing_is_one_too():
    assert kinds(play(watching(), (1, shows("FAILED", print_error=BROKEN)))) == [Kind.STARTED, Kind.REJECTED]


def test_a_printer_that_turns_idle_in_the_middle_aborted_the_job():
    assert kinds(play(watching(), PREPARE, RUNNING, (20, shows("IDLE", job="", name="")))) == [
        Kind.STARTED,
        Kind.ABORTED,
    ]


def test_turning_idle_after_a_cancel_code_is_a_cancel():
    frames = [PREPARE, RUNNING, (20, shows("RUNNING", print_error=CANCEL)), (23, shows("IDLE"))]
    assert kinds(play(watching(), *frames)) == [Kind.STARTED, Kind.CANCELLED]


@pytest.mark.parametrize("word", ["FAILED", "IDLE", "FINISH"])
def test_a_job_that_we_stopped_is_cancelled_whatever_the_printer_says(word):
    watch = watching()
    play(watch, PREPARE, RUNNING)
    watch.cancel_requested()
    decisions = play(watch, (20, shows(word, print_error=BROKEN)))
    assert [(d.kind, d.by_us) for d in decisions] == [(Kind.CANCELLED, True)]


@pytest.mark.parametrize("word", ["OFFLINE", "INIT", "UNKNOWN"])
def test_a_state_that_says_nothing_ends_nothing(word):
    watch = watching()
    assert kinds(play(watch, PREPARE, RUNNING, (20, shows(word)), (30, shows("RUNNING")))) == [Kind.STARTED]
    assert watch.job is not None


def test_a_job_ends_once():
    frames = [PREPARE, RUNNING, (20, shows("FINISH")), (30, shows("FINISH", layer=3)), (40, IDLE)]
    assert kinds(play(watching(), *frames)) == [Kind.STARTED, Kind.FINISHED]


# --- the job that does not begin -------------------------------------------------------------------------------


@pytest.mark.parametrize("echo", ["77", "5", ""])
@pytest.mark.parametrize("word", ["FINISH", "FAILED", "IDLE"])
def test_the_state_of_before_may_linger_and_is_not_our_end(word, echo):
    before = shows(word, job="5", name="other", percent=100)
    watch = watching(before)
    lingering = replace(before, subtask_id=echo)
    assert kinds(play(watch, (1, lingering), until=85)) == []
    assert kinds(play(watch, (86, shows("PREPARE")), (95, shows("RUNNING")), (99, shows("FINISH")))) == [
        Kind.STARTED,
        Kind.FINISHED,
    ]


@pytest.mark.parametrize("echo", ["77", "5"])
def test_a_job_that_never_begins_is_given_up_after_the_hold(echo):
    before = shows("FINISH", job="5", name="other", percent=100)
    decisions = play(watching(before), (1, replace(before, subtask_id=echo)), until=91)
    assert [(d.kind, d.at, d.inferred) for d in decisions] == [(Kind.NOT_STARTED, after(90), False)]


@pytest.mark.parametrize("number", ["5", ""])
def test_a_state_far_ahead_of_whose_it_is_takes_no_printer_from_our_job(number):
    """Else the job is sent again although it prints: a soak found that, on a machine that was out of breath."""
    before = shows("FINISH", job=number, name="other", percent=100)
    mine = shows("PREPARE", job=number and "77")
    frames = (
        (1, replace(before, gcode_state=GcodeState.PREPARE)),
        (9, mine),
        (15, replace(mine, gcode_state=GcodeState.RUNNING)),
        (25, replace(mine, gcode_state=GcodeState.FINISH)),
    )
    assert kinds(play(watching(before), *frames)) == [Kind.STARTED, Kind.FINISHED]


def test_a_printer_that_runs_under_the_name_of_the_job_before_is_asked_about_after_the_hold():
    before = shows("FINISH", job="5", name="other", percent=100)
    decisions = play(watching(before), (1, replace(before, gcode_state=GcodeState.RUNNING)), until=91)
    assert [(d.kind, d.at) for d in decisions] == [(Kind.UNSEEN_END, after(90))]


def test_the_hold_tells_the_error_that_kept_the_job_from_starting():
    decisions = play(watching(), (1, replace(IDLE, print_error=0x05004004)), until=91)
    assert [(d.kind, d.cause) for d in decisions] == [(Kind.NOT_STARTED, Cause("0500_4004", "print_error"))]


def test_a_job_stopped_before_it_began_is_cancelled():
    watch = watching()
    watch.cancel_requested()
    assert [(d.kind, d.by_us) for d in play(watch, (1, IDLE), until=91)] == [(Kind.CANCELLED, True)]


def test_while_the_link_is_down_nothing_is_given_up():
    watch = watching()
    watch.link_lost()
    assert kinds(play(watch, until=600)) == []


def test_a_job_awaited_from_a_person_may_take_its_time():
    watch = watching(job=ours(submission_id="", previous_id=""))
    assert kinds(play(watch, (1, IDLE), until=500)) == []
    frames = [(501, shows("RUNNING", job="900001")), (520, shows("FINISH", job="900001"))]
    assert kinds(play(watch, *frames)) == [Kind.STARTED, Kind.FINISHED]


def test_an_earlier_print_of_the_same_name_is_not_the_awaited_one():
    old = shows("FINISH", job="5")
    watch = watching(old, job=ours(submission_id="", state_before=GcodeState.FINISH, previous_id="5"))
    assert kinds(play(watch, (1, old), until=200)) == []
    assert watch.job is not None


def answer(**fields):
    values = {"succeeded": False, "reason": "", "error": 0x05004004, "fields": {}, **fields}
    return CommandAnswer(**{"kind": "print", "command": "project_file", "sequence_id": "1", **values})


def test_a_refused_command_rejects_the_job():
    decisions = watching().answer(answer(), after(1))
    assert [(d.kind, d.cause) for d in decisions] == [(Kind.REJECTED, Cause("0500_4004", "answer"))]


@pytest.mark.parametrize(
    "other",
    [{"command": "pause"}, {"succeeded": True}, {"succeeded": None}, {"fields": {"subtask_id": "78"}}],
)
def test_other_answers_reject_nothing(other):
    watch = watching()
    assert watch.answer(answer(**other), after(1)) == ()
    assert watch.job is not None


def test_a_refusal_after_the_start_is_not_about_this_job():
    watch = watching()
    play(watch, PREPARE, RUNNING)
    assert watch.answer(answer(), after(20)) == ()


# --- history and gaps ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["IDLE", "FINISH", "FAILED"])
def test_the_first_frame_is_history(word):
    assert kinds(play(PrinterWatch(), (1, shows(word)))) == []


def test_a_job_found_running_on_the_first_frame_started_unseen():
    decisions = play(PrinterWatch(ours()), (1, shows("RUNNING", percent=30)))
    assert [(d.kind, d.inferred) for d in decisions] == [(Kind.STARTED, True)]


def test_a_known_job_found_running_goes_on():
    watch = PrinterWatch(ours(started=True, running_since=NOON, max_percent=10))
    frames = [(1, shows("RUNNING", percent=30)), (5, shows("RUNNING", percent=31)), (9, shows("FINISH"))]
    assert kinds(play(watch, *frames), progress=True) == [Kind.PROGRESS, Kind.FINISHED]


@pytest.mark.parametrize(
    ("known", "shown", "kind"),
    [
        ({"max_percent": 95}, shows("FINISH", percent=0), Kind.FINISHED),
        ({"max_percent": 20}, shows("FINISH", percent=100), Kind.FINISHED),
        ({"max_percent": 20}, shows("FINISH", percent=0), Kind.UNSEEN_END),
        ({"max_percent": 95}, shows("FAILED", fail_reason=BROKEN), Kind.FAILED),
        ({"max_percent": 95}, shows("FAILED", fail_reason=CANCEL), Kind.CANCELLED),
        ({"max_percent": 95}, shows("IDLE"), Kind.ABORTED),
        ({"max_percent": 95}, shows("IDLE", job="", name=""), Kind.UNSEEN_END),
        ({"max_percent": 95}, shows("FINISH", job="78"), Kind.UNSEEN_END),
        ({"max_percent": 95}, shows("RUNNING", job="78", name="other"), Kind.UNSEEN_END),
        ({"max_percent": 95}, shows("FINISH", job="", name="other"), Kind.UNSEEN_END),
    ],
)
def test_an_end_that_came_while_we_were_away_is_inferred_or_asked_for(known, shown, kind):
    watch = PrinterWatch(ours(started=True, running_since=NOON, **known))
    decision = play(watch, (1, shown))[0]
    assert (decision.kind, decision.inferred) == (kind, True)
    assert watch.job is None


def test_a_lost_link_makes_the_next_frame_history():
    watch = watching()
    play(watch, PREPARE, RUNNING, HALFWAY)
    watch.link_lost()
    decisions = play(watch, (60, shows("FINISH", percent=100)))
    assert [(d.kind, d.inferred) for d in decisions] == [(Kind.FINISHED, True)]


def test_a_lost_link_that_comes_back_to_the_same_job_changes_nothing():
    watch = watching()
    play(watch, PREPARE, RUNNING, HALFWAY)
    watch.link_lost()
    frames = [(30, shows("RUNNING", percent=60)), (50, shows("FINISH", percent=100))]
    decisions = play(watch, *frames)
    assert [(d.kind, d.inferred) for d in decisions if d.kind is not Kind.PROGRESS] == [(Kind.FINISHED, False)]


def test_a_whole_job_missed_is_inferred_where_the_state_before_proves_it():
    watch = PrinterWatch(ours(state_before=GcodeState.IDLE))
    assert [(d.kind, d.inferred) for d in play(watch, (1, shows("FINISH", percent=100)))] == [
        (Kind.STARTED, True),
        (Kind.FINISHED, True),
    ]


def test_a_whole_job_perhaps_missed_is_asked_for_and_never_sent_again():
    watch = PrinterWatch(ours(state_before=GcodeState.FINISH, previous_id="5"))
    assert kinds(play(watch, (1, shows("FINISH", percent=100)), until=91)) == [Kind.UNSEEN_END]


def test_after_a_gap_the_unchanged_job_of_before_proves_that_ours_never_began():
    watch = PrinterWatch(ours(state_before=GcodeState.FINISH, previous_id="5"))
    assert kinds(play(watch, (1, shows("FINISH", job="5", name="other")), until=91)) == [Kind.NOT_STARTED]


# --- printers without ids --------------------------------------------------------------------------------------


def test_without_ids_the_name_decides():
    watch = watching(shows("FINISH", job="", name="other"))
    frames = [
        (1, shows("PREPARE", job="")),
        (9, shows("RUNNING", job="")),
        (20, shows("FINISH", job="", name="bracket.3mf")),
    ]
    assert kinds(play(watch, *frames)) == [Kind.STARTED, Kind.FINISHED]


def test_a_printer_that_gives_the_job_a_number_of_its_own_is_followed_by_it():
    watch = watching(shows("FINISH", job="5", name="other"))
    assert kinds(play(watch, (1, shows("PREPARE", job="4001")), (9, shows("RUNNING", job="4001")))) == [Kind.STARTED]
    assert watch.job.printer_job_id == "4001"
    assert kinds(play(watch, (20, shows("FINISH", job="4001", name="")))) == [Kind.FINISHED]


def test_the_id_may_stand_in_another_field():
    frames = [
        (1, shows("RUNNING", job="", name="", task_id="77")),
        (9, shows("FINISH", job="", name="", project_id="77")),
    ]
    assert kinds(play(watching(), *frames)) == [Kind.STARTED, Kind.FINISHED]


def test_an_identity_that_goes_blank_in_the_middle_stays_ours():
    frames = [PREPARE, RUNNING, (20, shows("RUNNING", job="", name="")), (30, shows("FINISH", job="", name=""))]
    assert kinds(play(watching(), *frames)) == [Kind.STARTED, Kind.FINISHED]


# --- jobs that nobody here sent --------------------------------------------------------------------------------


def other(word, **fields):
    return shows(word, job="78", name="vase", **fields)


def test_a_foreign_job_is_reported_when_it_starts_and_ends():
    watch = PrinterWatch()
    play(watch, (0, IDLE))
    decisions = play(watch, (5, other("PREPARE")), (9, other("RUNNING")), (19, other("FINISH")))
    assert [(d.kind, d.inferred, d.submission_id) for d in decisions] == [
        (Kind.FOREIGN_STARTED, False, ""),
        (Kind.FOREIGN_ENDED, False, ""),
    ]


def test_a_foreign_job_found_running_is_reported_as_inferred():
    assert [(d.kind, d.inferred) for d in play(PrinterWatch(), (1, other("RUNNING")))] == [(Kind.FOREIGN_STARTED, True)]


def test_one_foreign_job_after_another_is_two_jobs():
    watch = PrinterWatch()
    decisions = play(watch, (1, other("RUNNING")), (9, shows("RUNNING", job="79")), (19, shows("FINISH", job="79")))
    assert kinds(decisions) == [Kind.FOREIGN_STARTED, Kind.FOREIGN_ENDED, Kind.FOREIGN_STARTED, Kind.FOREIGN_ENDED]


def test_a_foreign_job_in_place_of_ours_means_that_ours_ended_unseen():
    decisions = play(watching(), PREPARE, RUNNING, (20, other("RUNNING")))
    assert kinds(decisions) == [Kind.STARTED, Kind.UNSEEN_END, Kind.FOREIGN_STARTED]


def test_a_foreign_job_that_takes_the_printer_first_keeps_ours_from_starting():
    assert kinds(play(watching(), (1, other("PREPARE")))) == [Kind.NOT_STARTED, Kind.FOREIGN_STARTED]


def test_a_job_printed_again_from_the_printers_own_screen_is_foreign():
    frames = [PREPARE, RUNNING, (20, shows("FINISH")), (60, shows("RUNNING"))]
    assert kinds(play(watching(), *frames)) == [Kind.STARTED, Kind.FINISHED, Kind.FOREIGN_STARTED]


def test_a_job_expected_after_it_was_seen_running_is_taken_over():
    watch = PrinterWatch()
    play(watch, (0, IDLE))
    assert kinds(play(watch, (5, shows("RUNNING")))) == [Kind.FOREIGN_STARTED]
    watch.expect(ours())
    assert kinds(play(watch, (20, shows("RUNNING", percent=9)), (30, shows("FINISH")))) == [Kind.STARTED, Kind.FINISHED]


def test_what_is_forgotten_is_foreign():
    watch = watching()
    watch.forget()
    assert kinds(play(watch, (5, shows("RUNNING")))) == [Kind.FOREIGN_STARTED]


# --- any order -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(60))
def test_any_noise_between_the_stages_ends_in_one_end(seed):
    """Shuffled neighbours, duplicates and flickers within the debounce never make a second start or end."""
    chance = random.Random(seed)
    end, kind = chance.choice([
        (shows("FINISH"), Kind.FINISHED),
        (shows("FAILED", fail_reason=CANCEL), Kind.CANCELLED),
        (shows("FAILED", fail_reason=BROKEN), Kind.FAILED),
    ])  # fmt: skip
    stages = [shows("PREPARE"), *(shows("RUNNING", percent=p, layer=p) for p in (1, 30, 60, 99)), end]
    frames, now = [], 1.0
    for index, stage in enumerate(stages):
        burst = [stage] * chance.randint(1, 3) + chance.sample(stages[max(0, index - 1) : index + 1], 1)
        chance.shuffle(burst)
        for state in [*burst, stage]:
            frames.append((now, state))
            now += chance.uniform(0.0, 0.4)
        now += chance.uniform(3, 20)
    found = kinds(play(watching(shows("FINISH", job="5", name="other")), *frames))
    assert found == [Kind.STARTED, kind]


def test_the_debounce_and_hold_are_the_callers_choice():
    watch = PrinterWatch(timing=Timing(debounce=timedelta(0), hold=timedelta(seconds=3)))
    watch.observe(IDLE, NOON)
    watch.expect(ours())
    assert kinds(watch.tick(after(3))) == [Kind.NOT_STARTED]


# --- what a soak taught ------------------------------------------------------------------------------------------


def test_progress_that_is_told_with_the_pause_counts():
    paused = shows("PAUSE", percent=69, layer=50, print_error=RUNOUT)
    watch = watching()
    decisions = play(watch, PREPARE, RUNNING, (20, shows("RUNNING", percent=63, layer=48)), (25, paused))
    assert kinds(decisions, progress=True)[-2:] == [Kind.PAUSED, Kind.PROGRESS]
    assert (watch.job.max_percent, watch.job.max_layer) == (69, 50)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, Kind.UNSEEN_END),
        ({"print_error": BROKEN}, Kind.FAILED),
        ({"fail_reason": BROKEN}, Kind.FAILED),
        ({"fail_reason": CANCEL}, Kind.CANCELLED),
    ],
)
def test_a_failure_in_a_gap_is_believed_with_its_code_only(fields, expected):
    """Without one a person's cancel looks the same on small printers, and its code shows for two seconds."""
    watch = watching()
    play(watch, PREPARE, RUNNING, HALFWAY)
    watch.link_lost()
    found = [*watch.observe(shows("FAILED", percent=0, **fields), after(60)), *watch.tick(after(63))]
    assert [(d.kind, d.inferred) for d in found] == [(expected, True)]


def test_a_failure_that_was_watched_needs_no_code():
    assert kinds(play(watching(), PREPARE, RUNNING, HALFWAY, (30, shows("FAILED")))) == [Kind.STARTED, Kind.FAILED]
