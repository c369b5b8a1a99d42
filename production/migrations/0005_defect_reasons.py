from django.db import migrations

from production.defect_reasons import STANDARD_DEFECTS


def add_reasons(apps, schema_editor):
    """Add the usual defect reasons that are not there yet; what the farm called otherwise stays."""
    reasons = apps.get_model("production", "DefectReason")
    known = set(reasons.objects.values_list("code", flat=True))
    for position, (code, name, stage) in enumerate(STANDARD_DEFECTS, start=1):
        if code not in known:
            reasons.objects.create(code=code, name=name, stage=stage, position=position * 10)


class Migration(migrations.Migration):
    dependencies = [("production", "0004_floor")]

    operations = [migrations.RunPython(add_reasons, migrations.RunPython.noop)]
