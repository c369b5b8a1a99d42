from django.apps import AppConfig


class ProductionConfig(AppConfig):
    name = "production"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from inventory.ports import lots_are_used_by
        from production import handlers, lifecycles  # noqa: F401
        from production.selectors.lots import lot_effects

        lots_are_used_by(lot_effects)
