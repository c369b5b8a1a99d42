from django.apps import AppConfig


class IntegrationsConfig(AppConfig):
    name = "integrations"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from integrations import handlers  # noqa: F401
        from integrations.mixing import lay_together
        from integrations.printers.telemetry import shown
        from production.ports import figures_come_from, plates_are_laid_by

        figures_come_from(shown)
        plates_are_laid_by(lay_together)
