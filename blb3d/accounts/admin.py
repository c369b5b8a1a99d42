"""Users, roles and API keys in the console."""

from __future__ import annotations

from typing import Any

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as BaseGroupAdmin
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminTextareaWidget

from blb3d.accounts import services as accounts
from blb3d.accounts.actor import actor_of
from blb3d.accounts.models import ApiKey, PortalSession, User
from blb3d.accounts.roles import permissions_matching
from blb3d.core.admin import AdminVerb, ConsoleAdmin, ExportAdmin, HistoryAdmin, LedgerAdmin
from blb3d.core.errors import BLB3DError

# Other packages' own tables: what they hold is shown and done on the pages below.
admin.site.unregister([Group, AccessAttempt, AccessFailureLog, AccessLog, BlacklistedToken, OutstandingToken])


@admin.register(Group)
class RoleAdmin(ExportAdmin, BaseGroupAdmin, ModelAdmin):  # type: ignore[misc]
    """Roles; those of `blb3d.accounts.roles` are written again by `sync_roles`."""


@admin.register(User)
class UserAdmin(HistoryAdmin, BaseUserAdmin, ConsoleAdmin):  # type: ignore[misc]
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    ordering = ("email",)
    list_display = ("email", "name", "kind", "is_active", "is_staff", "last_login")
    list_filter = ("kind", "is_active", "is_staff", "groups")
    search_fields = ("email", "first_name", "last_name", "phone")
    header_fields = ("email", "kind", "is_active", "is_staff", "last_login")
    extra_verbs = (
        AdminVerb(
            name="unlock",
            label="Lift a log-in lock",
            call=accounts.unlock_user,
            permission="accounts.change_user",
            visible=lambda user: user.kind == User.Kind.PERSON,
        ),
    )
    raw_id_fields = ()
    readonly_fields = ("kind", "last_login", "email_verified_at", "created_at", "updated_at")
    filter_horizontal = ("groups", "user_permissions")
    fieldsets = (
        (None, {"fields": ("email", "password", "kind")}),
        ("Person", {"fields": ("first_name", "last_name", "phone")}),
        ("Rights", {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")}),
        ("Dates", {"fields": ("last_login", "email_verified_at", "created_at", "updated_at")}),
    )
    add_fieldsets = ((None, {"classes": ("wide",), "fields": ("email", "password1", "password2", "is_staff")}),)

    @display(description="name", ordering="last_name")
    def name(self, obj: User) -> str:
        """Show first and last name."""
        return obj.get_full_name() or "–"

    def get_autocomplete_fields(self, request: HttpRequest) -> tuple[str, ...]:
        """Choose roles and permissions from two lists side by side."""
        return ()

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Only a superuser hands out what goes beyond a role."""
        if request.user.is_superuser:
            return self.readonly_fields
        return (*self.readonly_fields, "is_superuser", "user_permissions")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Machines and the system are not edited by hand, superusers only by superusers."""
        if obj is not None and (obj.kind != User.Kind.PERSON or (obj.is_superuser and not request.user.is_superuser)):
            return False
        return super().has_change_permission(request, obj)


class ApiKeyForm(forms.ModelForm):  # type: ignore[type-arg]
    scopes_text = forms.CharField(
        label="Scopes",
        widget=UnfoldAdminTextareaWidget,
        help_text="Permissions, one per line, * for any text: production.view_*, quotes.add_quote",
    )

    class Meta:
        model = ApiKey
        fields = ("name", "expires_at")

    def clean_scopes_text(self) -> list[str]:
        scopes = self.cleaned_data["scopes_text"].split()
        try:
            permissions_matching(scopes)
        except BLB3DError as error:
            raise forms.ValidationError(error.message) from error
        return scopes


@admin.register(ApiKey)
class ApiKeyAdmin(ConsoleAdmin):
    form = ApiKeyForm
    list_display = ("name", "prefix", "created_at", "expires_at", "last_used_at", "revoked_at")
    search_fields = ("name", "prefix")
    header_fields = ("prefix", "created_at", "expires_at", "last_used_at", "revoked_at")
    extra_verbs = (
        AdminVerb(
            name="revoke",
            call=accounts.revoke_api_key,
            permission="accounts.change_apikey",
            style="danger",
            confirm="Whoever uses this key is refused from now on. A revoked key is never switched on again.",
            visible=lambda key: key.revoked_at is None,
        ),
    )

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        if obj is None:
            return ["name", "scopes_text", "expires_at"]
        return ["may", "user"]

    @display(description="may")
    def may(self, obj: ApiKey) -> SafeString:
        """Show the scopes, one a line."""
        return format_html_join(SafeString("<br>"), "{}", ((scope,) for scope in obj.scopes.get("scopes", [])))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[Any, ...]:
        return (*super().get_readonly_fields(request, obj), "may")

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if obj is not None:
            kwargs["form"] = forms.ModelForm
        return super().get_form(request, obj, change, **kwargs)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A key is issued and revoked, never edited; the list keeps its actions."""
        return obj is None and super().has_change_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        key, secret = accounts.issue_api_key(
            obj.name, scopes=form.cleaned_data["scopes_text"], expires_at=obj.expires_at, actor=actor_of(request)
        )
        obj.__dict__.update(key.__dict__)
        self.message_user(request, f"The key, shown this once: {secret}", messages.WARNING)


@admin.register(PortalSession)
class PortalSessionAdmin(LedgerAdmin):
    list_display = ("session_id", "email", "ip_address", "started_at", "last_activity", "quotes_generated")
    search_fields = ("session_id", "email", "ip_address")
