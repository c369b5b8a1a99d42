"""A reader may loop, swell, crash or be killed: its file fails, and the next one is read."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from quotes.modelfiles import UnusableFile, read_model
from quotes.modelfiles.errors import HostileFile, UnknownFormat
from quotes.modelfiles.isolated import (
    ProcessLimits,
    ReaderPool,
    ReadersBusy,
    TooHardToRead,
    close_pools,
    read_isolated,
)
from quotes.modelfiles.make import BRACKET
from quotes.modelfiles.tests.hostile import KINDS, READ

LIMITS = ProcessLimits(seconds=60, megabytes=300, processes=1)


@pytest.fixture(scope="module")
def bad() -> Iterator[ReaderPool]:
    """One child whose reader does what the file's name says."""
    with ReaderPool(LIMITS, reader="quotes.modelfiles.tests.bad_readers:by_name") as pool:
        yield pool


@pytest.fixture
def hurried() -> Iterator[ReaderPool]:
    """The same with little patience."""
    limits = replace(LIMITS, seconds=3)
    with ReaderPool(limits, reader="quotes.modelfiles.tests.bad_readers:by_name") as pool:
        yield pool


@pytest.fixture(scope="module", autouse=True)
def _end() -> Iterator[None]:
    yield
    close_pools()


@pytest.mark.parametrize("source", [BRACKET, BRACKET.read_bytes()], ids=["path", "bytes"])
def test_a_file_is_read_as_in_this_process(source):
    here = read_model(source, file_name="bracket.3mf")
    there = read_isolated(source, file_name="bracket.3mf", process=LIMITS)
    assert there == here
    assert there.thumbnail_png == here.thumbnail_png


def test_a_refusal_comes_back_as_the_same_error():
    with pytest.raises(UnknownFormat) as here:
        read_model(b"MZ", file_name="part.3mf")
    with pytest.raises(UnknownFormat) as there:
        read_isolated(b"MZ", file_name="part.3mf", process=LIMITS)
    assert (there.value.message, there.value.details) == (here.value.message, here.value.details)


def test_a_child_is_used_again(bad):
    bad.read(b"", file_name="good")
    before = bad.pids
    bad.read(b"", file_name="good")
    assert bad.pids == before
    assert len(before) == 1


def test_a_reader_that_loops_is_stopped_and_the_next_file_is_read(hurried):
    with pytest.raises(TooHardToRead, match=r"longer than 3 seconds") as caught:
        hurried.read(b"", file_name="loop")
    assert (caught.value.code, caught.value.details["kind"]) == ("QUOTE_001", "FILE_TOO_HARD")
    assert len(hurried.read(b"", file_name="good").parts) == 1


def test_a_reader_that_eats_memory_is_stopped_and_the_next_file_is_read(bad):
    with pytest.raises(TooHardToRead, match="more than 300 MB"):
        bad.read(b"", file_name="eat")
    assert len(bad.read(b"", file_name="good").parts) == 1


def test_where_the_system_does_not_bound_memory_the_owner_does():
    # Address space is bounded far above what the owner allows.
    with ReaderPool(LIMITS, reader="quotes.modelfiles.tests.bad_readers:unbounded") as pool:
        with pytest.raises(TooHardToRead, match="more than 300 MB"):
            pool.read(b"", file_name="eat")
        assert len(pool.read(b"", file_name="good").parts) == 1


def test_a_reader_that_dies_fails_its_file_only(bad):
    with pytest.raises(TooHardToRead, match="broke off"):
        bad.read(b"", file_name="crash")
    assert len(bad.read(b"", file_name="good").parts) == 1


def test_a_reader_that_lies_about_its_answer_fails_its_file_only(bad):
    with pytest.raises(TooHardToRead, match="broke off"):
        bad.read(b"", file_name="lie")
    assert len(bad.read(b"", file_name="good").parts) == 1


def test_a_reader_that_cannot_be_replaced_now_is_replaced_later(hurried, monkeypatch, tmp_path):
    hurried.read(b"", file_name="good")
    with monkeypatch.context() as no_temporary_folder:
        no_temporary_folder.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
        with pytest.raises(TooHardToRead, match="broke off"):
            hurried.read(b"", file_name="crash")
    assert len(hurried.read(b"", file_name="good").parts) == 1


def test_a_reader_killed_in_the_middle_fails_its_file_only(bad):
    bad.read(b"", file_name="good")
    with ThreadPoolExecutor(1) as threads:
        reading = threads.submit(bad.read, b"", file_name="loop")
        (pid,) = bad.pids
        child = psutil.Process(pid)
        rested = child.cpu_times().user
        while child.cpu_times().user < rested + 0.05:
            time.sleep(0.01)
        child.kill()
        with pytest.raises(TooHardToRead, match="broke off"):
            reading.result(timeout=30)
    assert len(bad.read(b"", file_name="good").parts) == 1


def test_a_child_killed_while_it_rests_costs_no_file(bad):
    bad.read(b"", file_name="good")
    for pid in bad.pids:
        process = psutil.Process(pid)
        process.kill()
        psutil.wait_procs([process], timeout=5)
    assert len(bad.read(b"", file_name="good").parts) == 1


def test_a_mistake_of_the_reader_fails_the_file_and_is_logged(bad, caplog):
    with pytest.raises(TooHardToRead, match="could not be read"):
        bad.read(b"", file_name="bug")
    assert "ZeroDivisionError" in caplog.text


def test_what_a_library_prints_does_not_disturb_the_answer(bad):
    assert len(bad.read(b"", file_name="chatter").parts) == 1


def test_a_child_knows_no_secret(monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "a secret")
    reader = "quotes.modelfiles.tests.bad_readers:by_name"
    with ReaderPool(LIMITS, reader=reader) as pool, pytest.raises(UnusableFile) as caught:
        pool.read(b"", file_name="environment")
    names = caught.value.details["reason"].split(",")
    assert "PATH" in names
    assert not {name for name in names if "SECRET" in name or "PASSWORD" in name or "DATABASE" in name}


def test_eight_threads_share_two_children():
    with ReaderPool(replace(LIMITS, processes=2), reader="quotes.modelfiles.tests.bad_readers:by_name") as pool:
        with ThreadPoolExecutor(8) as threads:
            results = list(threads.map(lambda number: _kind(pool, number), range(24)))
        assert results == ["refused" if number % 12 == 5 else "read" for number in range(24)]
        assert len(pool.pids) == 2


def _kind(pool: ReaderPool, number: int) -> str:
    try:
        pool.read(b"", file_name="crash" if number % 12 == 5 else "linger" if number % 3 == 0 else "good")
    except TooHardToRead:
        return "refused"
    return "read"


def test_when_all_children_are_busy_for_too_long_the_caller_is_told_to_come_back(hurried):
    hurried.read(b"", file_name="good")
    with ThreadPoolExecutor(3) as threads:
        waiting = [threads.submit(_kind_of_error, hurried) for _ in range(3)]
        kinds = [future.result(timeout=60) for future in waiting]
    assert "FILE_003" in kinds
    assert ReadersBusy.transient


def _kind_of_error(pool: ReaderPool) -> str:
    with pytest.raises((TooHardToRead, ReadersBusy)) as caught:
        pool.read(b"", file_name="loop")
    return caught.value.code


def test_a_child_is_replaced_after_its_share_of_files():
    limits = replace(LIMITS, files_per_child=2)
    with ReaderPool(limits, reader="quotes.modelfiles.tests.bad_readers:by_name") as pool:
        pool.read(b"", file_name="good")
        first = pool.pids
        pool.read(b"", file_name="good")
        pool.read(b"", file_name="good")
        assert not pool.pids & first


def test_a_closed_pool_leaves_no_process_and_no_folder():
    with ReaderPool(LIMITS, reader="quotes.modelfiles.tests.bad_readers:by_name") as pool:
        pool.read(b"", file_name="good")
        (pid,) = pool.pids
        folder = Path(psutil.Process(pid).environ()["TMPDIR"])
        assert folder.is_dir()
    assert not psutil.pid_exists(pid)
    assert not folder.exists()


def test_reading_needs_no_settings_of_the_web_framework():
    code = "import quotes.modelfiles.isolated, django.conf; assert not django.conf.settings.configured"
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    assert subprocess.run([sys.executable, "-c", code], env=environment, timeout=60).returncode == 0


def test_a_hostile_file_is_refused_in_the_child():
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("3D/3dmodel.model", b"0" * 50_000_000)
    with pytest.raises(HostileFile):
        read_isolated(package.getvalue(), file_name="part.3mf", process=LIMITS)


def test_an_owner_that_is_killed_leaves_no_process_behind():
    code = (
        "import os, signal\n"
        "from quotes.modelfiles.isolated import ProcessLimits, ReaderPool\n"
        "from quotes.modelfiles.make import BRACKET\n"
        "pool = ReaderPool(ProcessLimits(processes=1))\n"
        "pool.read(BRACKET, file_name='bracket.3mf')\n"
        "print(*pool.pids, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
    )
    owner = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    (pid,) = (int(number) for number in owner.stdout.split())
    end = time.monotonic() + 30
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture(scope="module")
def guarded() -> Iterator[ReaderPool]:
    """A child with the true reader, and far less of everything than the default gives."""
    with ReaderPool(ProcessLimits(seconds=60, megabytes=400, processes=1, files_per_child=len(KINDS) + 1)) as pool:
        yield pool


@pytest.mark.parametrize("name", KINDS)
def test_a_hostile_file_is_answered_within_bounds_and_the_child_lives(name, guarded):
    kind = KINDS[name]
    before = guarded.pids
    try:
        answer = guarded.read(kind.make(), file_name=kind.file_name).format and READ
    except UnusableFile as refusal:
        answer = refusal.kind
    assert answer == kind.expected
    assert not before or guarded.pids == before
