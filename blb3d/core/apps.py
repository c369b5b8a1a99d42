from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "blb3d.core"
    label = "core"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from blb3d.core import checks  # noqa: F401
