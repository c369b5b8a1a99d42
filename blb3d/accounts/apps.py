from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "blb3d.accounts"
    label = "accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from blb3d.accounts import schema  # noqa: F401
