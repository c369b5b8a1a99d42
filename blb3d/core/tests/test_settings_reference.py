import pytest
from django.core.management import CommandError, call_command


def test_the_written_reference_is_up_to_date():
    call_command("settings_reference", check=True)


def test_it_tells_when_a_file_is_out_of_date(tmp_path, settings):
    settings.BASE_DIR = tmp_path
    with pytest.raises(CommandError, match=r"docs/configuration\.md is out of date"):
        call_command("settings_reference", check=True)
    call_command("settings_reference")
    call_command("settings_reference", check=True)
    (tmp_path / ".env.example").write_text("", encoding="utf-8")
    with pytest.raises(CommandError, match=r"\.env\.example is out of date"):
        call_command("settings_reference", check=True)
