import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from blb3d.env import SETTINGS, read


def test_every_setting_has_a_default_of_its_own_kind():
    values = read(Path(), {})
    assert values["TAX_RATE"] == Decimal("0.07")
    assert values["MACHINE_HOURLY_RATE"] == Decimal("1.50")
    assert values["DEFAULT_MARKUP_PERCENT"] == Decimal("40")
    assert values["JWT_REFRESH_TOKEN_EXPIRE_DAYS"] == 7
    assert values["ALLOWED_FILE_EXTENSIONS"] == [".3mf", ".stl", ".step", ".stp", ".gcode"]
    assert values["DEBUG"] is False


def test_the_owners_names_are_all_there():
    names = {name for setting in SETTINGS for name in (setting.name, *setting.aliases)}
    owners = {
        "DATABASE_URL", "DB_POOL_SIZE", "DB_MAX_OVERFLOW", "ML_DASHBOARD_URL", "BAMBU_CLI_PATH", "MACHINE_HOURLY_RATE",
        "DEFAULT_MARKUP_PERCENT", "TAX_RATE", "ENABLE_MULTI_COLOR", "ENABLE_AUTO_ROUTING",
        "REQUIRE_QUOTE_APPROVAL_OVER", "MAX_FILE_SIZE_MB", "ALLOWED_FILE_EXTENSIONS", "UPLOAD_DIR", "SMTP_HOST",
        "SMTP_PORT", "ADMIN_EMAIL",
        "JWT_SECRET_KEY", "JWT_ACCESS_TOKEN_EXPIRE_MINUTES", "JWT_REFRESH_TOKEN_EXPIRE_DAYS",
        "BAMBU_SUITE_API_URL", "BAMBU_SUITE_API_KEY", "SQUARESPACE_API_KEY", "SQUARESPACE_WEBHOOK_SECRET",
        "MAX_UPLOAD_SIZE_MB", "GCS_ENABLED", "GCS_BUCKET_NAME",
    }  # fmt: skip
    assert owners - names == set()


def test_no_name_is_declared_twice():
    names = [name for setting in SETTINGS for name in (setting.name, *setting.aliases)]
    assert sorted(names) == sorted(set(names))


def test_an_alias_gives_the_value_to_both_names():
    values = read(Path(), {"ML_DASHBOARD_URL": "http://suite:9"})
    assert values["BAMBU_SUITE_API_URL"] == "http://suite:9"
    assert values["ML_DASHBOARD_URL"] == "http://suite:9"


def test_two_names_of_one_thing_that_agree_are_fine():
    assert read(Path(), {"MAX_FILE_SIZE_MB": "7", "MAX_UPLOAD_SIZE_MB": "7"})["MAX_UPLOAD_SIZE_MB"] == 7


def test_it_refuses_two_names_of_one_thing_that_differ():
    with pytest.raises(ImproperlyConfigured, match="MAX_UPLOAD_SIZE_MB and MAX_FILE_SIZE_MB name the same thing"):
        read(Path(), {"MAX_FILE_SIZE_MB": "7", "MAX_UPLOAD_SIZE_MB": "8"})


def test_it_tells_all_problems_at_once_and_never_the_value():
    with pytest.raises(ImproperlyConfigured) as refused:
        read(Path(), {"DEBUG": "perhaps", "TAX_RATE": "NaN", "DB_POOL_SIZE": "-1", "RATE_LIMIT_AUTH": "s3cret"})
    message = str(refused.value)
    assert "DEBUG must be true or false" in message
    assert "TAX_RATE must be a decimal number" in message
    assert "DB_POOL_SIZE must be at least 0" in message
    assert "RATE_LIMIT_AUTH must look like 10/min" in message
    assert "s3cret" not in message


def test_an_empty_value_means_the_default():
    assert read(Path(), {"SMTP_PORT": " "})["SMTP_PORT"] == 587


def test_it_reads_an_env_file_which_the_process_environment_overrides(tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("CURRENCY=EUR\nADMIN_EMAIL=$literal@example.com\nSMTP_PORT=26\n", encoding="utf-8")
    for name in ("ENV_FILE", "CURRENCY", "ADMIN_EMAIL"):
        # Set, then deleted, so that what the file leaves in the environment goes with the test.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("SMTP_PORT", "27")
    values = read(tmp_path)
    assert values["CURRENCY"] == "EUR"
    assert values["ADMIN_EMAIL"] == "$literal@example.com"
    assert values["SMTP_PORT"] == 27


def test_a_secret_may_come_from_a_file(tmp_path, monkeypatch):
    secret = tmp_path / "key"
    secret.write_text("from-a-file\n", encoding="utf-8")
    monkeypatch.setenv("SQUARESPACE_API_KEY_FILE", str(secret))
    assert read(tmp_path)["SQUARESPACE_API_KEY"] == "from-a-file"


def test_days_are_read_as_days():
    values = read(Path(), {"FARM_WORKING_DAYS": "Sat, mon,mon", "FARM_CLOSED_ON": "2026-12-25, 2027-01-01"})
    assert values["FARM_WORKING_DAYS"] == [0, 5]
    assert values["FARM_CLOSED_ON"] == [datetime.date(2026, 12, 25), datetime.date(2027, 1, 1)]
    assert read(Path(), {})["FARM_WORKING_DAYS"] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("name", "value"), [("FARM_WORKING_DAYS", ","), ("FARM_WORKING_DAYS", "monday"), ("FARM_CLOSED_ON", "25.12.2026")]
)
def test_it_refuses_days_that_are_none(name, value):
    with pytest.raises(ImproperlyConfigured, match=name):
        read(Path(), {name: value})
