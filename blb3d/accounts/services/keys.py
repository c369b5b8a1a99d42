"""Keys for machines. A key acts as its own service user, whose permissions are its scopes: one rule for all."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from django.utils import timezone
from django.utils.text import slugify

from blb3d.accounts.models import SERVICE_DOMAIN, ApiKey, User, hash_key, new_key
from blb3d.accounts.roles import permissions_matching
from blb3d.core.errors import InvalidValue
from blb3d.core.lifecycle import allow
from blb3d.core.verbs import verb

USE_RECORDED_EVERY = datetime.timedelta(minutes=1)


@verb
def issue_api_key(
    name: str, *, scopes: Sequence[str], actor: User, expires_at: datetime.datetime | None = None
) -> tuple[ApiKey, str]:
    """Return a new key and its secret, which is shown this once.

    `scopes` are permission patterns such as `production.view_*`; a pattern that fits nothing is refused.

    Raises:
        InvalidValue: the name is empty or taken.
        UnknownPermission: a scope fits no permission.
        NotAllowed: the actor may not issue keys.
    """
    allow(actor, "accounts.add_apikey")
    name = name.strip()
    slug = slugify(name)
    email = f"{slug}@{SERVICE_DOMAIN}"
    if not slug or ApiKey.objects.filter(name=name).exists() or User.objects.filter(email=email).exists():
        raise InvalidValue("A key needs a name of its own.", details={"fields": {"name": [name]}})
    permissions = permissions_matching(scopes)
    user = User.objects.create_user(email, first_name=name, kind=User.Kind.SERVICE, is_staff=True)
    user.user_permissions.set(permissions)
    secret = new_key()
    key = ApiKey.objects.create(
        name=name,
        user=user,
        prefix=secret[: ApiKey.PREFIX_LENGTH],
        hashed_key=hash_key(secret),
        scopes={"scopes": list(scopes)},
        expires_at=expires_at,
    )
    return key, secret


@verb
def revoke_api_key(key: ApiKey, *, actor: User) -> ApiKey:
    """Switch a key off for good, at once; a second time changes nothing."""
    allow(actor, "accounts.change_apikey")
    if key.revoked_at is None:
        key.revoked_at = timezone.now()
        key.save(update_fields=["revoked_at"])
        key.user.is_active = False
        key.user.save(update_fields=["is_active", "updated_at"])
    return key


def user_of_key(secret: str) -> User | None:
    """Return the service user behind a key, or None when the key is unknown, revoked or expired; notes the use."""
    now = timezone.now()
    key = ApiKey.objects.usable(now).matching(secret).select_related("user").first()
    if key is None:
        return None
    if key.last_used_at is None or key.last_used_at < now - USE_RECORDED_EVERY:
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
    return key.user
