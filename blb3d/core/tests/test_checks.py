import os
import subprocess
import sys

import pytest
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured

from blb3d.core.checks import check_backends, check_big_keys, check_values, refuse_unsafe_start, unsafe_settings
from blb3d.env import INSECURE_SECRET

GOOD_SECRET = "q" * 60


def ids(messages):
    return [message.id for message in messages]


def test_the_defaults_pass():
    assert check_values(None) == []
    assert check_backends(None) == []
    assert check_big_keys(None) == []


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("TIME_ZONE", "Europe/Nowhere", "blb3d.E001"),
        ("TAX_RATE", 7, "blb3d.E002"),
        ("QUOTE_APPROVAL_LEVEL_2_FROM", 10000, "blb3d.E003"),
        ("QUOTE_REMINDER_DAYS", 30, "blb3d.E011"),
        ("GCS_ENABLED", True, "blb3d.E004"),
        ("STORAGE_BACKEND", "storages.backends.gcloud.GoogleCloudStorage", "blb3d.E009"),
        ("STORAGE_BACKEND", "storages.backends.s3.S3Storage", "blb3d.E009"),
        ("ALLOWED_FILE_EXTENSIONS", ["3mf"], "blb3d.E005"),
        ("BASE_URL", "erp.example.com", "blb3d.E006"),
        ("SQUARESPACE_WEBHOOK_SECRET", "not hex", "blb3d.E007"),
        ("SLICER_TIMEOUT_SECONDS", 300, "blb3d.E008"),
    ],
)
def test_it_refuses_a_value_that_cannot_be_meant(settings, monkeypatch, name, value, expected):
    if name == "TIME_ZONE":
        # Setting the real one would switch the process's zone.
        monkeypatch.setitem(django_settings.__dict__, "TIME_ZONE", value)
    else:
        setattr(settings, name, value)
    assert ids(check_values(None)) == [expected]


def test_a_backup_with_a_bucket_passes(settings):
    settings.GCS_ENABLED, settings.GCS_BUCKET_NAME = True, "files-of-the-farm"
    assert check_values(None) == []


def test_it_refuses_a_backend_that_cannot_be_imported(settings):
    settings.SLICER_BACKEND = "integrations.nowhere.Slicer"
    settings.ESTIMATORS = ["blb3d.env.read", "blb3d.env.nothing"]
    assert ids(check_backends(None)) == ["blb3d.E010", "blb3d.E010"]


def production(settings, **values):
    settings.DEBUG = settings.DEMO = False
    settings.SECRET_KEY = GOOD_SECRET
    settings.JWT_SECRET_KEY = ""
    settings.ALLOWED_HOSTS = ["erp.example.com"]
    for name, value in values.items():
        setattr(settings, name, value)


def test_a_production_start_with_real_secrets_is_let_through(settings):
    production(settings)
    refuse_unsafe_start()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"SECRET_KEY": INSECURE_SECRET}, "blb3d.E020"),
        ({"SECRET_KEY": "short"}, "blb3d.E020"),
        ({"JWT_SECRET_KEY": "your-secret-key"}, "blb3d.E021"),
        ({"ALLOWED_HOSTS": ["*"]}, "blb3d.E022"),
    ],
)
def test_a_production_start_with_default_secrets_is_refused(settings, values, expected):
    production(settings, **values)
    assert ids(unsafe_settings()) == [expected]
    with pytest.raises(ImproperlyConfigured, match="Refusing to start"):
        refuse_unsafe_start()


@pytest.mark.parametrize("name", ["DEBUG", "DEMO"])
def test_a_private_machine_may_start_with_default_secrets(settings, name):
    production(settings, SECRET_KEY=INSECURE_SECRET)
    setattr(settings, name, True)
    refuse_unsafe_start()


def run(*args, **environment):
    names = {"ENV_FILE": "", "DEBUG": "false", "DEMO": "false", "LOG_FORMAT": "console", **environment}
    kept = {name: value for name, value in os.environ.items() if name not in {"SECRET_KEY", "DJANGO_SETTINGS_MODULE"}}
    return subprocess.run(
        [sys.executable, *args], env={**kept, **names}, capture_output=True, text=True, timeout=120, check=False
    )


def test_check_deploy_fails_with_the_default_secret():
    result = run("manage.py", "check", "--deploy")
    assert result.returncode == 1
    assert "blb3d.E020" in result.stderr


def test_check_deploy_has_nothing_to_say_about_a_proper_production():
    result = run(
        "manage.py", "check", "--deploy", "--fail-level", "WARNING",
        SECRET_KEY="kJ7-pZ2_wQ9xV4mN8bR1tY6uI3oP5aS0dF-gH2jK4lM7nB9vC1xZ", ALLOWED_HOSTS="erp.example.com",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("module", ["blb3d.wsgi", "blb3d.asgi"])
def test_the_web_application_refuses_to_load_with_the_default_secret(module):
    result = run("-c", f"import {module}")
    assert result.returncode == 1
    assert "Refusing to start: SECRET_KEY is a default or too short." in result.stderr
