"""Parts that were written before they had a position get the one that their order says."""

from django.db import migrations


def number_parts(apps, schema_editor):
    """Parts were written in the order of the analysis: their ids say which one each is."""
    parts = apps.get_model("quotes", "QuotePart").objects.order_by("file_id", "pk")
    file, position = None, 0
    for part in parts.iterator():
        position = position + 1 if part.file_id == file else 0
        file = part.file_id
        if position:
            part.position = position
            part.save(update_fields=["position"])


class Migration(migrations.Migration):
    dependencies = [("quotes", "0002_quoting")]

    operations = [migrations.RunPython(number_parts, migrations.RunPython.noop)]
