"""Dispatchers in processes of their own, all at once, on a database server."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any

import pytest
from django.db import connection

from blb3d.core.errors import BLB3DError
from blb3d.core.outbox import OutboxEvent
from inventory.tests.factories import system_actor
from production import services as production
from production.models import Printer, PrinterGroup, PrintJob
from production.tests.factories import PrinterFactory, black_pla, printable, queued, stock

#: Small enough for every run; 8, 200, 20 and 3 took 43 s on two cores with nothing else to do.
PROCESSES, JOBS, PRINTERS, STAGGERED = 3, 50, 8, 3
#: Seconds until the processes are given up; a machine with much else to do takes its time.
PATIENCE = 500

needs_a_server = pytest.mark.skipif(
    not os.environ.get("TEST_DATABASE_URL", "").startswith("postgres"),
    reason="SQLite in memory is one process; this needs a server: set TEST_DATABASE_URL",
)


def dispatcher(seed: int) -> dict[str, int]:
    """Dispatch, end and clear until nothing waits; in between send jobs blindly, from rows read at the start."""
    chance, actor, done = random.Random(seed), system_actor(), Counter[str]()
    stale_jobs, stale_printers = list(PrintJob.objects.all()), list(Printer.objects.all())
    while PrintJob.objects.filter(status="queued").exists():
        mine = production.dispatch_next(actor=actor, limit=chance.randint(1, 6))
        for job, printer in [(chance.choice(stale_jobs), chance.choice(stale_printers)) for _ in range(3)]:
            try:
                mine.append(production.dispatch_job(job, printer, actor=actor))
            except BLB3DError as refusal:
                done[refusal.code] += 1
        if not mine:
            time.sleep(0.05)  # only printers that have to wait are left: let the others work
        for job in mine:
            done["sent"] += 1
            production.begin_job(job, actor=actor)
            production.record_failed(job, actor=actor, code="", text="ends at once", progress_percent=0)
            production.clear_plate(job, [], actor=actor, requeue_missing=False)
    return dict(done)


@needs_a_server
@pytest.mark.timeout(PATIENCE + 60)
@pytest.mark.django_db(transaction=True)
def test_no_job_is_on_two_printers_and_no_printer_has_two_jobs_whoever_dispatches() -> None:
    stock(black_pla())
    printers = [PrinterFactory(loaded=[black_pla()]) for _ in range(PRINTERS)]
    group = PrinterGroup.objects.create(name="Cell", stagger_seconds=1)
    group.printers.set(printers[:STAGGERED])
    queued(printable(), JOBS)
    name = connection.settings_dict["NAME"]
    connection.close()
    where = f"{os.environ['TEST_DATABASE_URL'].rpartition('/')[0]}/{name}"
    code = f"import django; django.setup(); from {__name__} import dispatcher; import json, sys; "
    code += "print(json.dumps(dispatcher(int(sys.argv[1]))))"
    settings = {**os.environ, "TEST_DATABASE_URL": where, "DJANGO_SETTINGS_MODULE": "blb3d.settings_test"}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(seed)],
            env=settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for seed in range(PROCESSES)
    ]
    answers: list[dict[str, int]] = []
    try:
        for process in running:
            out, errors = process.communicate(timeout=PATIENCE)
            assert process.returncode == 0, errors
            answers.append(json.loads(out.splitlines()[-1]))
    finally:
        for process in running:
            process.kill()

    assert sum(answer["sent"] for answer in answers) == JOBS
    told = Counter(OutboxEvent.objects.filter(topic="production.job_dispatched").values_list("key", flat=True))
    assert set(told.values()) == {1}
    assert len(told) == JOBS
    times: dict[int, list[tuple[Any, Any]]] = defaultdict(list)
    for printer_id, sent_at, cleared_at in PrintJob.objects.values_list("printer", "sent_at", "cleared_at"):
        times[printer_id].append((sent_at, cleared_at))
    for rows in times.values():
        assert all(before[1] < after[0] for before, after in pairwise(sorted(rows)))
    starts = sorted(sent_at for printer in printers[:STAGGERED] for sent_at, _ in times[printer.pk])
    assert len(starts) > 1
    assert all((after - before).total_seconds() >= 1 for before, after in pairwise(starts))
    assert dict(Printer.objects.values_list("pk", "jobs_done")) == {row.pk: len(times[row.pk]) for row in printers}
