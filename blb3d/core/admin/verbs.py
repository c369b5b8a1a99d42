"""Acts in the console: a verb, the words on its button, who may press it, and what it asks before it runs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django import forms
from django.db import models
from unfold import widgets

from blb3d.core.effects import Effect
from blb3d.core.errors import BLB3DError
from blb3d.core.uploads import refuse_oversized

if TYPE_CHECKING:
    from blb3d.accounts.models import User

_CLASSES: list[tuple[type[forms.Widget], list[str]]] = [
    (forms.CheckboxInput, widgets.CHECKBOX_CLASSES),
    # Dressed by its own class, each box with its words beside it: see UnfoldAdminCheckboxSelectMultipleWidget.
    (forms.CheckboxSelectMultiple, []),
    (forms.RadioSelect, widgets.RADIO_CLASSES),
    (forms.Textarea, widgets.TEXTAREA_CLASSES),
    (forms.Select, widgets.SELECT_CLASSES),
    (forms.FileInput, widgets.INPUT_CLASSES),
    (forms.widgets.Input, widgets.INPUT_CLASSES),
]


class VerbForm(forms.Form):
    """What an act asks for besides a reason; its cleaned fields become the verb's keyword arguments.

    A subclass declares plain Django fields. ``prepare`` may add fields or set initial values from ``self.document``;
    ``arguments`` may reshape what was entered into what the verb takes.
    """

    def __init__(
        self, *args: Any, document: models.Model, actor: User, reason: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.document = document
        self.actor = actor
        self.prepare()
        if reason is not None:
            self.fields["reason"] = forms.CharField(
                max_length=500, required=reason == "required", widget=forms.Textarea(attrs={"rows": 3})
            )
        for field in self.fields.values():
            self._dress(field.widget)
            if isinstance(field, forms.FileField):
                field.validators.append(refuse_oversized)

    def prepare(self) -> None:
        """Fit the fields to ``self.document``; called once, before the form is bound to what was entered."""

    def arguments(self) -> dict[str, Any]:
        """Return the verb's keyword arguments besides actor and reason."""
        return {name: value for name, value in self.cleaned_data.items() if name != "reason"}

    @staticmethod
    def _dress(widget: forms.Widget) -> None:
        if "admin-autocomplete" in str(widget.attrs.get("class", "")):
            return
        if isinstance(widget, forms.MultiWidget):
            for part in widget.widgets:
                VerbForm._dress(part)
            return
        classes = next((classes for kind, classes in _CLASSES if isinstance(widget, kind)), [])
        if isinstance(widget, forms.DateInput) and type(widget) is forms.DateInput:
            widget.input_type = "date"
            widget.format = "%Y-%m-%d"
        widget.attrs["class"] = " ".join([*classes, widget.attrs.get("class", "")]).strip()


@dataclass(frozen=True, kw_only=True)
class AdminVerb:
    """An act that can be pressed on a document's page.

    ``call(document, *, actor, [reason], **form arguments)`` is the verb itself. ``permission`` is a full codename
    ("sales.record_payment_salesorder"); for a lifecycle step it is taken from the step and may be left out, like name,
    label and style. ``style`` is "primary", "danger" or "". ``confirm`` tells what will follow and makes the page ask
    first; a danger, a form and a required reason ask anyway. ``effects`` tells from the document what the act will do
    to stock, jobs and promises; the page that asks lists it. A ``quiet`` act is always in the menu. What ``call``
    returns decides what is shown next: an HTTP response is sent as it is (a PDF), another document is named with a
    link, anything else returns to the page.
    """

    call: Callable[..., Any]
    name: str = ""
    label: str = ""
    permission: str = ""
    form_class: type[VerbForm] = VerbForm
    visible: Callable[[Any], bool] | None = None
    style: str = ""
    confirm: str = ""
    effects: Callable[[Any], Sequence[Effect]] | None = None
    reason_required: bool = False
    quiet: bool = False

    @property
    def title(self) -> str:
        """Return the words on the button."""
        return self.label or self.name.replace("_", " ").capitalize()

    @property
    def takes_reason(self) -> bool:
        """True when the verb can be told why."""
        parameters = inspect.signature(self.call).parameters.values()
        return any(p.name == "reason" or p.kind is p.VAR_KEYWORD for p in parameters)

    @property
    def needs_answer(self) -> bool:
        """True when something must be said or agreed to; such an act is not done to many rows at once."""
        has_form = self.form_class is not VerbForm
        return bool(self.reason_required or self.style == "danger" or self.confirm or has_form)

    @property
    def asks(self) -> bool:
        """True when a page comes between the button and the act: to ask, or to tell what the act will do."""
        return self.needs_answer or self.effects is not None

    def form(self, data: Any = None, files: Any = None, *, document: models.Model, actor: User) -> VerbForm:
        """Return the form of the page in between, with a field for the reason where the verb takes one."""
        reason = ("required" if self.reason_required else "optional") if self.takes_reason else None
        return self.form_class(data, files, document=document, actor=actor, reason=reason)

    def run(self, document: models.Model, *, actor: User, form: VerbForm | None = None) -> Any:
        """Call the verb with what the form holds; raises what the verb raises."""
        arguments = form.arguments() if form is not None else {}
        if form is not None and self.takes_reason:
            arguments["reason"] = form.cleaned_data.get("reason", "")
        return self.call(document, actor=actor, **arguments)


def worded(error: BLB3DError) -> str:
    """Return a refusal as a person reads it: the sentence, the data behind it, and the code to quote."""
    facts = []
    for name, value in error.details.items():
        if name in {"model", "id"} or value in (None, "", [], {}):
            continue
        rows = value if isinstance(value, list) else [value]
        text = "; ".join(
            ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in row.items()) if isinstance(row, dict) else str(row)
            for row in rows
        )
        facts.append(f"{name.replace('_', ' ')}: {text}")
    data = f" ({' | '.join(facts)})" if facts else ""
    return f"{error.message}{data} [{error.code}]"
