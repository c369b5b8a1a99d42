"""The Celery application. Tasks live in each app's `tasks.py`; messages carry the request id that caused them."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from celery.signals import before_task_publish, setup_logging, task_postrun, task_prerun, worker_init

from blb3d.core import folder_broker

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "blb3d.settings")

folder_broker.register()
app = Celery("blb3d")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def keep_django_logging(**_: Any) -> None:
    """With a receiver, Celery leaves logging alone: Django has configured it."""


@worker_init.connect
def refuse_unsafe_worker(**_: Any) -> None:
    from blb3d.core.checks import refuse_unsafe_start

    refuse_unsafe_start()


@before_task_publish.connect
def send_request_id(headers: dict[str, Any], **_: Any) -> None:
    from blb3d.core.logging import get_request_id

    headers.setdefault("request_id", get_request_id())


@task_prerun.connect
def take_request_id(task: Any, **_: Any) -> None:
    from blb3d.core.logging import set_request_id

    set_request_id(getattr(task.request, "request_id", None) or "")


@task_postrun.connect
def drop_request_id(**_: Any) -> None:
    from blb3d.core.logging import set_request_id

    set_request_id("")
