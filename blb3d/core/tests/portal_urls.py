"""The portal's URL names for rendering its templates by themselves."""

from django.http import HttpRequest, HttpResponse
from django.urls import include, path


def page(request: HttpRequest, **_: object) -> HttpResponse:
    return HttpResponse(status=204)


_NAMES = [
    "home", "register", "login", "logout", "quote-new", "quote-list", "order-list", "company", "password-reset",
    "components",
]  # fmt: skip
_NAMES_WITH_ID = [
    "quote-detail",
    "quote-accept",
    "quote-configure",
    "quote-compare",
    "quote-share",
    "quote-pdf",
    "quote-comment",
    "quote-progress",
    "quote-requote",
    "order-detail",
    "order-progress",
]

portal = [path(f"{name}/", page, name=name) for name in _NAMES]
portal += [path(f"{name}/<int:pk>/", page, name=name) for name in _NAMES_WITH_ID]
portal += [path("quote-ask-approver/<int:pk>/<int:member_id>/", page, name="quote-ask-approver")]
portal += [path("quote-unshare/<int:pk>/<int:share_id>/", page, name="quote-unshare")]

urlpatterns = [path("", include((portal, "portal")))]
