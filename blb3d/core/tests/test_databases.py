from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from blb3d.databases import database_config


def test_sqlite_is_relative_to_the_project_and_takes_its_lock_at_once(tmp_path):
    config = database_config("sqlite:///var/erp.sqlite3", base_dir=tmp_path)
    assert config["NAME"] == str(tmp_path / "var" / "erp.sqlite3")
    assert (tmp_path / "var").is_dir()
    assert config["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert config["OPTIONS"]["timeout"] == 30
    assert "journal_mode=WAL" in config["OPTIONS"]["init_command"]


def test_sqlite_takes_an_absolute_path(tmp_path):
    config = database_config(f"sqlite:///{tmp_path / 'a.sqlite3'}", base_dir=Path("/nowhere"))
    assert config["NAME"] == str(tmp_path / "a.sqlite3")


@pytest.mark.parametrize("url", ["sqlite://:memory:", "sqlite:///:memory:"])
def test_sqlite_in_memory(url, tmp_path):
    assert database_config(url, base_dir=tmp_path)["NAME"] == ":memory:"


def test_postgresql_with_a_pool_of_size_plus_overflow():
    config = database_config(
        "postgres://erp:p%40ss@db.local:5433/erp?sslmode=require", base_dir=Path(), pool_size=5, max_overflow=10
    )
    assert config["ENGINE"] == "django.db.backends.postgresql"
    assert (config["USER"], config["PASSWORD"], config["HOST"], config["PORT"], config["NAME"]) == (
        "erp",
        "p@ss",
        "db.local",
        "5433",
        "erp",
    )
    assert config["OPTIONS"]["pool"] == {"min_size": 1, "max_size": 15, "timeout": 15}
    assert config["OPTIONS"]["sslmode"] == "require"
    assert config["CONN_MAX_AGE"] == 0


def test_postgresql_without_a_pool_keeps_its_connection():
    config = database_config("postgresql://db/erp", base_dir=Path())
    assert "pool" not in config["OPTIONS"]
    assert config["CONN_MAX_AGE"] == 60


def test_the_owners_form_for_sql_server_express():
    url = "mssql+pyodbc://localhost\\SQLEXPRESS/BLB3D_ERP?driver=ODBC+Driver+17+for+SQL+Server&trusted_connection=yes"
    config = database_config(url, base_dir=Path())
    assert config["ENGINE"] == "blb3d.core.mssql"
    assert config["HOST"] == "localhost\\SQLEXPRESS"
    assert config["NAME"] == "BLB3D_ERP"
    assert config["USER"] == ""
    assert config["OPTIONS"]["driver"] == "ODBC Driver 17 for SQL Server"
    assert config["OPTIONS"]["trusted_connection"] == "yes"


def test_sql_server_by_user_and_port_with_further_parameters():
    config = database_config(
        "mssql://sa:S3cret%2F@db:1444/erp?TrustServerCertificate=yes&MARS_Connection=no", base_dir=Path()
    )
    assert (config["HOST"], config["PORT"], config["USER"], config["PASSWORD"]) == ("db", "1444", "sa", "S3cret/")
    assert config["OPTIONS"]["extra_params"] == "TrustServerCertificate=yes;MARS_Connection=no"
    assert config["OPTIONS"]["driver"] == "ODBC Driver 18 for SQL Server"


def test_sql_server_through_microsofts_own_python_driver():
    config = database_config("mssql://sa:x@db/erp?python_driver=mssql_python&Encrypt=no", base_dir=Path())
    assert config["OPTIONS"]["python_driver"] == "mssql_python"
    assert "driver" not in config["OPTIONS"]


@pytest.mark.parametrize("url", ["mysql://db/erp", "erp.sqlite3", "postgres://db/", "postgres://db"])
def test_it_refuses_what_it_cannot_run_on(url):
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL"):
        database_config(url, base_dir=Path())
