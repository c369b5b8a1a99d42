"""How API callers prove who they are, besides a console session."""

from __future__ import annotations

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from blb3d.accounts.models import User
from blb3d.accounts.services import user_of_key

HEADER = "X-API-Key"


class ApiKeyAuthentication(BaseAuthentication):
    """`X-API-Key: blb_...`: the caller is the key's service user."""

    def authenticate(self, request: Request) -> tuple[User, str] | None:
        secret = request.headers.get(HEADER)
        if not secret:
            return None
        user = user_of_key(secret)
        if user is None:
            raise AuthenticationFailed("The API key is not valid.")
        return user, "api-key"

    def authenticate_header(self, request: Request) -> str:
        return HEADER
