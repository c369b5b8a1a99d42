"""Users for the tests of every app."""

from __future__ import annotations

from typing import Any

import factory

from blb3d.accounts.models import User

PASSWORD = "correct horse battery"


class UserFactory(factory.django.DjangoModelFactory[User]):
    """A person who can log in with PASSWORD."""

    class Meta:
        model = User
        skip_postgeneration_save = True

    email = factory.Sequence(lambda number: f"user{number}@example.com")
    first_name = "Buyer"
    last_name = "Example"

    @classmethod
    def _create(cls, model_class: type[User], *args: Any, **kwargs: Any) -> User:
        return model_class.objects.create_user(*args, password=kwargs.pop("password", PASSWORD), **kwargs)


class StaffFactory(UserFactory):
    """A person of the console, without any permission."""

    is_staff = True


class SuperuserFactory(StaffFactory):
    """A person who may do everything."""

    is_superuser = True
