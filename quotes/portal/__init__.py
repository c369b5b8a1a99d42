"""The customers' pages of quoting, and the way into the portal: start, register, log in."""

from __future__ import annotations

from django.contrib.auth.views import LogoutView
from django.urls import URLPattern, path

from quotes.portal import account, compare, configure, documents, files, quotes, sharing, sight, start, talk

urlpatterns: list[URLPattern] = [
    path("", start.home, name="home"),
    path("components/", start.components, name="components"),
    path("register/", account.register, name="register"),
    path("login/", account.LoginView.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("password-reset/", account.password_reset, name="password-reset"),
    path("password-reset/done/", account.password_reset_complete, name="password-reset-complete"),
    path("password-reset/<str:uid>/<str:token>/", account.PasswordConfirmView.as_view(), name="password-reset-confirm"),
    path("verify-email/<str:uid>/<str:token>/", account.verify_email, name="verify-email"),
    path("quotes/", quotes.quote_list, name="quote-list"),
    path("quotes/new/", configure.quote_new, name="quote-new"),
    path("quotes/<int:pk>/", quotes.quote_detail, name="quote-detail"),
    path("quotes/<int:pk>/configure/", configure.quote_configure, name="quote-configure"),
    path("quotes/<int:pk>/price/", configure.quote_price, name="quote-price"),
    path("quotes/<int:pk>/progress/", configure.quote_progress, name="quote-progress"),
    path("quotes/<int:pk>/accept/", quotes.quote_accept, name="quote-accept"),
    path("quotes/<int:pk>/submit/", quotes.quote_submit, name="quote-submit"),
    path("quotes/<int:pk>/reject/", quotes.quote_reject, name="quote-reject"),
    path("quotes/<int:pk>/cancel/", quotes.quote_cancel, name="quote-cancel"),
    path("quotes/<int:pk>/comments/", talk.comment, name="quote-comment"),
    path("quotes/<int:pk>/ask/", talk.ask, name="quote-ask"),
    path("quotes/<int:pk>/again/", talk.requote, name="quote-requote"),
    path("quotes/<int:pk>/compare/", compare.compare, name="quote-compare"),
    path("quotes/<int:pk>/pdf/", documents.pdf, name="quote-pdf"),
    path("quotes/<int:pk>/share/", sharing.quote_share, name="quote-share"),
    path("quotes/<int:pk>/share/<int:share_id>/revoke/", sharing.quote_unshare, name="quote-unshare"),
    path("quotes/<int:pk>/approvers/<int:member_id>/ask/", sharing.quote_ask_approver, name="quote-ask-approver"),
    path("shared/<str:token>/", sharing.shared, name="shared-quote"),
    path("shared/<str:token>/pictures/<int:file_id>/", sharing.shared_picture, name="shared-picture"),
    path("quotes/<int:pk>/files/<int:file_id>/", files.download, name="quote-file"),
    path("quotes/<int:pk>/files/<int:file_id>/preview/", files.preview, name="quote-file-preview"),
    path("quotes/<int:pk>/files/<int:file_id>/mesh/", sight.mesh, name="quote-file-mesh"),
]
