"""``manage.py lifecycle_reference``: docs/lifecycles.md, drawn from the lifecycle tables."""

from __future__ import annotations

from blb3d.core.generated import GeneratedFiles
from blb3d.core.lifecycle import Lifecycle


def markdown() -> str:
    """Return the page: a diagram and a table for each document."""
    lines = [
        "# Lifecycles",
        "",
        "Which status may follow which. These tables are the program's own: they refuse every other move, draw the",
        "buttons in the console and the API's `available_actions`. Written by `manage.py lifecycle_reference`.",
    ]
    for lifecycle in Lifecycle.all():
        meta = lifecycle.model._meta
        lines += ["", f"## {str(meta.verbose_name).capitalize()}", "", "```mermaid", lifecycle.mermaid(), "```", ""]
        lines += ["| step | from | to | who | reason | fact |", "|---|---|---|---|---|---|"]
        for step in lifecycle.steps.values():
            who = [f"`{step.permission}`"] if step.permission else []
            who += ["the customer"] if step.by_customer else []
            lines.append(
                f"| {step.name} | {', '.join(step.sources)} | {' or '.join(step.targets)} | "
                f"{', '.join(who) or 'the system'} | {'needed' if step.reason_required else ''} | "
                f"{f'`{step.fact}`' if step.fact else ''} |"
            )
    return "\n".join(lines) + "\n"


class Command(GeneratedFiles):
    """Write docs/lifecycles.md."""

    help = "Write docs/lifecycles.md from the lifecycle tables."
    files = {"docs/lifecycles.md": markdown}
