"""Registering, logging in, passwords; a guest's quotes come along."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth import authenticate, login
from django.contrib.auth import views as auth
from django.contrib.auth.forms import AuthenticationForm
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, resolve_url
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods

from blb3d.accounts import services as accounts
from blb3d.accounts.errors import EmailTaken
from blb3d.accounts.models import User
from blb3d.core.api.throttles import AuthThrottle
from blb3d.core.errors import BLB3DError
from quotes.portal.forms import EmailForm, LoginForm, RegisterForm
from quotes.portal.visits import claim, latest_guest_quote
from sales import services as sales
from sales.portal.base import UNPROCESSABLE, form_refusal, limited, page, show
from sales.selectors import membership_of


def _next(request: HttpRequest) -> str:
    """Return where the visitor was going, if that is a page of ours."""
    target = request.POST.get("next") or request.GET.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return target if is_ours else ""


def _onward(request: HttpRequest, user: User) -> str:
    """Take a guest's quotes over; return where to go on: where they were going, else to the latest of these."""
    claimed = claim(request, user)
    target = _next(request)
    if target:
        return target
    if claimed:
        return resolve_url("portal:quote-detail", pk=claimed[-1].pk)
    if user.is_staff and membership_of(user) is None:
        return resolve_url("admin:index")
    return resolve_url("portal:home")


@sensitive_post_parameters("password")
@never_cache
@require_http_methods(["GET", "POST"])
@limited(AuthThrottle)
@page
def register(request: HttpRequest) -> HttpResponseBase:
    """Become a customer, be logged in at once, and own what was quoted before."""
    if request.user.is_authenticated:
        return redirect("portal:home")
    form = RegisterForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            member = sales.register_customer(**form.cleaned_data)
        except EmailTaken as error:
            form.add_error("email", f"{error.message} Log in, or reset your password.")
        except BLB3DError as error:
            form_refusal(form, error)
        else:
            user = authenticate(request, username=member.user.email, password=form.cleaned_data["password"])
            if not isinstance(user, User):
                return redirect("portal:login")
            login(request, user)
            messages.success(request, "Welcome. We sent you a mail to prove your address.")
            return redirect(_onward(request, user))
    context = {"form": form, "next": _next(request), "guest_quote": latest_guest_quote(request)}
    return show(request, "portal/register.html", context, status=UNPROCESSABLE if form.errors else 200)


@method_decorator(limited(AuthThrottle), name="dispatch")
class LoginView(auth.LoginView):
    """Log in; a few wrong passwords lock the e-mail for this address for a while."""

    template_name = "portal/login.html"
    authentication_form = LoginForm
    redirect_authenticated_user = True

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """Log in and go where the visitor was going."""
        user = form.get_user()
        login(self.request, user)
        return redirect(_onward(self.request, user))  # type: ignore[arg-type]

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        """Show the form again."""
        return self.render_to_response(self.get_context_data(form=form), status=UNPROCESSABLE)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Name the quote that will be theirs."""
        return super().get_context_data(guest_quote=latest_guest_quote(self.request), **kwargs)


@require_http_methods(["GET", "POST"])
@limited(AuthThrottle)
@page
def password_reset(request: HttpRequest) -> HttpResponse:
    """Ask for a link by mail; the answer is the same whether or not the address is known."""
    form = EmailForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        accounts.request_password_reset(form.cleaned_data["email"], actor=User.objects.system("registration"))
        return show(request, "portal/password_reset_sent.html", {})
    return show(request, "portal/password_reset.html", {"form": form}, status=UNPROCESSABLE if form.errors else 200)


@require_GET
def password_reset_complete(request: HttpRequest) -> HttpResponse:
    """Say that the new password is set."""
    return show(request, "portal/password_reset_complete.html", {})


class PasswordConfirmView(auth.PasswordResetConfirmView):
    """Set a new password by a mailed link, which is kept out of the address while the form is shown."""

    template_name = "portal/password_reset_confirm.html"
    success_url = reverse_lazy("portal:password-reset-complete")

    def dispatch(self, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Take the link's parts by their names in the mail."""
        return super().dispatch(*args, uidb64=kwargs.pop("uid"), **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        """Set the password by the verb, which checks the link again and ends every other session."""
        token = self.request.session.pop(auth.INTERNAL_RESET_SESSION_TOKEN, "")
        try:
            accounts.confirm_password_reset(
                uid=self.kwargs["uid"],
                token=token,
                new_password=form.cleaned_data["new_password1"],
                actor=User.objects.system("registration"),
            )
        except BLB3DError as error:
            form.add_error(None, error.message)
            return self.render_to_response(self.get_context_data(form=form), status=UNPROCESSABLE)
        return redirect(self.get_success_url())


@require_GET
@page
def verify_email(request: HttpRequest, uid: str, token: str) -> HttpResponseBase:
    """Prove an address by a mailed link."""
    accounts.verify_email(uid=uid, token=token, actor=User.objects.system("registration"))
    messages.success(request, "Thank you, your address is proven.")
    return redirect("portal:home")
