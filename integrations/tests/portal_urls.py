"""The addresses that mails link to, for tests of the mails alone."""

from django.http import HttpRequest, HttpResponse
from django.urls import include, path


def page(request: HttpRequest, **_: object) -> HttpResponse:
    return HttpResponse()


portal = [
    path("quotes/<int:pk>/", page, name="quote-detail"),
    path("orders/<int:pk>/", page, name="order-detail"),
    path("password/<uid>/<token>/", page, name="password-reset-confirm"),
    path("verify/<uid>/<token>/", page, name="verify-email"),
]

urlpatterns = [path("", include((portal, "portal")))]
