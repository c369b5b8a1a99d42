"""Acts on a page and on a list: the buttons, the page that asks, the door that does it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html

from blb3d.core.admin.columns import status_chip
from blb3d.core.admin.page import PageAdmin
from blb3d.core.admin.timeline import changed_since
from blb3d.core.admin.verbs import AdminVerb, VerbForm, worded
from blb3d.core.documents import Document
from blb3d.core.effects import grouped
from blb3d.core.errors import BLB3DError, InvalidTransition, StaleVersion

#: How many buttons stand beside the number; the rest is in the menu.
BUTTONS = 3


class ActsAdmin(PageAdmin):
    """An admin with acts."""

    verb_template = "admin/document/verb.html"

    #: Acts that are not steps of the lifecycle.
    extra_verbs: ClassVar[Sequence[AdminVerb]] = ()
    #: Names of acts that ask nothing and may be done to many rows at once.
    bulk_verbs: ClassVar[Sequence[str]] = ()

    def document_page(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Return what stands around the form, with the buttons."""
        ranked = sorted(self.available_verbs(request, obj), key=lambda verb: {"primary": 0, "": 1}.get(verb.style, 2))
        loud = [verb for verb in ranked if not verb.quiet]
        beside = loud if len(loud) <= BUTTONS else loud[: BUTTONS - 1]
        return {
            **super().document_page(request, obj),
            "buttons": [self._button(obj, verb) for verb in beside],
            "menu": [self._button(obj, verb) for verb in ranked if verb not in beside],
        }

    def declared_verbs(self) -> list[AdminVerb]:
        """Return every act that the page knows, whether possible now or not."""
        return list(self.extra_verbs)

    def available_verbs(self, request: HttpRequest, obj: Any) -> list[AdminVerb]:
        """Return the acts that are possible now and allowed to this person."""
        return [verb for verb in self.declared_verbs() if self._may(request, verb) and self._possible(verb, obj)]

    def _may(self, request: HttpRequest, verb: AdminVerb) -> bool:
        return bool(verb.permission) and request.user.has_perm(verb.permission)  # type: ignore[union-attr]

    def _possible(self, verb: AdminVerb, obj: Any) -> bool:
        return verb.visible is None or verb.visible(obj)

    def _verb_url(self, obj: Any, name: str) -> str:
        opts = self.model._meta
        return reverse(f"{self.admin_site.name}:{opts.app_label}_{opts.model_name}_verb", args=[obj.pk, name])

    def _button(self, obj: Any, verb: AdminVerb) -> dict[str, Any]:
        return {"label": verb.title, "style": verb.style, "url": self._verb_url(obj, verb.name), "asks": verb.asks}

    def get_urls(self) -> list[Any]:
        """Return the pages with the door of the acts, ``<id>/verb/<name>/``."""
        opts = self.model._meta
        door = path(
            "<path:object_id>/verb/<slug:name>/",
            self.admin_site.admin_view(self.verb_view),
            name=f"{opts.app_label}_{opts.model_name}_verb",
        )
        return [door, *super().get_urls()]

    def verb_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponseBase:
        """Do an act, by POST only. One that asks is first answered by its page, which posts back here."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        verb = next((verb for verb in self.declared_verbs() if verb.name == name), None)
        obj = self.get_object(request, unquote(object_id))
        if verb is None or obj is None:
            raise Http404
        if not self.has_view_permission(request, obj) or not self._may(request, verb):
            raise PermissionDenied
        try:
            self._check_possible(request, verb, obj)
        except BLB3DError as error:
            return self._back(request, obj, error=error)
        form = None
        if verb.asks:
            answered = "_answered" in request.POST
            data, files = (request.POST, request.FILES) if answered else (None, None)
            form = verb.form(data, files, document=obj, actor=request.user)  # type: ignore[arg-type]
            if not form.is_valid():
                return self._ask(request, obj, verb, form)
        try:
            result = verb.run(obj, actor=request.user, form=form)  # type: ignore[arg-type]
        except BLB3DError as error:
            obj = self.get_object(request, unquote(object_id))
            if form is None:
                return self._back(request, obj, error=error)
            form.add_error(None, worded(error))
            return self._ask(request, obj, verb, form)
        if isinstance(result, HttpResponseBase):
            return result
        return self._back(request, self.get_object(request, unquote(object_id)), verb=verb, result=result)

    def _check_possible(self, request: HttpRequest, verb: AdminVerb, obj: Any) -> None:
        if not self._possible(verb, obj):
            state = obj.get_status_display() if hasattr(obj, "get_status_display") else "now"
            raise InvalidTransition(f"{verb.title} is not possible: {obj} is {state}.")
        expected = request.POST.get("_version", "")
        if isinstance(obj, Document) and expected.isdecimal() and int(expected) != obj.version:
            change = changed_since(obj, int(expected))
            who = change.who if change and change.who else "Somebody"
            raise StaleVersion(f"{who} changed {obj} after you opened it. Please look again; nothing was done.")

    def _ask(self, request: HttpRequest, obj: Any, verb: AdminVerb, form: VerbForm) -> TemplateResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.model._meta,
            "original": obj,
            "title": verb.title,
            "subtitle": str(obj),
            "verb": verb,
            "form": form,
            "media": self.media + form.media,
            "status": status_chip(obj) if hasattr(obj, "status") else "",
            "facts": self.facts(request, obj),
            "effects": grouped(verb.effects(obj)) if verb.effects is not None else [],
            "version": getattr(obj, "version", ""),
            "verb_url": self._verb_url(obj, verb.name),
            "back_url": self._page_url(obj),
        }
        request.current_app = self.admin_site.name  # type: ignore[attr-defined]
        return TemplateResponse(request, self.verb_template, context)

    def _page_url(self, obj: Any) -> str:
        opts = self.model._meta
        return reverse(f"{self.admin_site.name}:{opts.app_label}_{opts.model_name}_change", args=[obj.pk])

    def _back(
        self,
        request: HttpRequest,
        obj: Any,
        *,
        error: BLB3DError | None = None,
        verb: AdminVerb | None = None,
        result: Any = None,
    ) -> HttpResponse:
        if error is not None:
            self.message_user(request, worded(error), messages.ERROR)
        elif verb is not None:
            state = f" It is now {obj.get_status_display()}." if hasattr(obj, "get_status_display") else ""
            text = format_html("{}: done for {}.{}", verb.title, obj, state)
            if isinstance(result, models.Model) and type(result) is not type(obj):
                text = format_html("{} {}", text, self._link(request, result))
            self.message_user(request, text, messages.SUCCESS)
        return redirect(self._page_url(obj))

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Return the list's actions with those of ``bulk_verbs`` that this person may do."""
        actions: dict[str, Any] = super().get_actions(request)
        for verb in self.declared_verbs():
            if verb.name in self.bulk_verbs and self._may(request, verb):
                actions[f"verb_{verb.name}"] = (self._bulk(verb), f"verb_{verb.name}", verb.title)
        return actions

    @staticmethod
    def _bulk(verb: AdminVerb) -> Callable[..., None]:
        def run(self: ActsAdmin, request: HttpRequest, queryset: QuerySet[Any]) -> None:
            done, skipped = 0, []
            for document in queryset:
                try:
                    if verb.visible is not None and not verb.visible(document):
                        raise InvalidTransition("This is not possible now.")
                    verb.run(document, actor=request.user)  # type: ignore[arg-type]
                    done += 1
                except BLB3DError as error:
                    skipped.append(f"{document}: {worded(error)}")
            if done:
                self.message_user(request, f"{verb.title}: {done} done.", messages.SUCCESS)
            if skipped:
                shown = "; ".join(skipped[:5]) + (f"; and {len(skipped) - 5} more" if len(skipped) > 5 else "")
                self.message_user(request, f"{verb.title}: {len(skipped)} skipped. {shown}", messages.WARNING)

        return run
