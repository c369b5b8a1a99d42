"""From a request to the actor of a verb."""

from __future__ import annotations

from django.http import HttpRequest
from rest_framework.request import Request

from blb3d.accounts.models import User
from blb3d.core.errors import NotAllowed


def actor_of(request: HttpRequest | Request) -> User:
    """Return the user who makes the request.

    Raises:
        NotAllowed: nobody is logged in, where a view let that pass.
    """
    user = request.user
    if not isinstance(user, User):
        raise NotAllowed
    return user
