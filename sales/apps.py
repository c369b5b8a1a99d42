from django.apps import AppConfig


class SalesConfig(AppConfig):
    name = "sales"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from inventory.ports import lots_are_used_by
        from production.ports import demand_comes_from
        from sales import handlers, lifecycles  # noqa: F401
        from sales.demand import open_lines
        from sales.lots import lot_effects

        lots_are_used_by(lot_effects)
        demand_comes_from(open_lines)
