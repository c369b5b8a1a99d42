from io import StringIO

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command

from blb3d.accounts import roles
from blb3d.accounts.errors import UnknownPermission
from blb3d.accounts.models import User
from blb3d.accounts.roles import ROLES, permissions_matching, sync_roles
from blb3d.accounts.tests.factories import StaffFactory

pytestmark = pytest.mark.django_db


def member(role):
    user = StaffFactory()
    user.groups.add(Group.objects.get(name=role))
    return User.objects.get(pk=user.pk)


def test_the_command_makes_every_role_and_changes_nothing_the_second_time():
    output = StringIO()
    call_command("sync_roles", stdout=output)
    counts = {group.name: group.permissions.count() for group in Group.objects.all()}
    assert sorted(counts) == sorted(ROLES)
    assert min(counts.values()) > 0
    call_command("sync_roles", stdout=output)
    assert {group.name: group.permissions.count() for group in Group.objects.all()} == counts


def test_a_role_gets_back_what_was_changed_by_hand_and_other_groups_stay():
    sync_roles()
    operator = Group.objects.get(name="operator")
    expected = operator.permissions.count()
    own = Group.objects.create(name="night shift")
    operator.permissions.clear()
    operator.permissions.add(*permissions_matching(["accounts.delete_user"]))
    sync_roles()
    assert operator.permissions.count() == expected
    assert not operator.permissions.filter(codename="delete_user").exists()
    assert own.permissions.count() == 0


@pytest.mark.parametrize(
    ("role", "may", "may_not"),
    [
        ("operator", ["production.clear_printjob", "inventory.view_product"], ["sales.confirm_salesorder"]),
        ("sales", ["sales.confirm_salesorder", "quotes.approve_quote"], ["quotes.approve_level2_quote"]),
        ("purchasing", ["inventory.order_purchaseorder"], ["sales.confirm_salesorder", "inventory.delete_inventory"]),
        ("quality", ["inventory.release_materiallot", "production.pass_qualityinspection"], ["sales.ship_salesorder"]),
        ("manager", ["quotes.approve_level2_quote"], ["quotes.approve_level3_quote", "accounts.change_user"]),
        ("owner", ["quotes.approve_level3_quote", "accounts.add_apikey"], ["auth.change_permission"]),
    ],
)
def test_a_role_may_its_work_and_not_others(role, may, may_not):
    sync_roles()
    user = member(role)
    assert [name for name in may if not user.has_perm(name)] == []
    assert [name for name in may_not if user.has_perm(name)] == []


@pytest.mark.parametrize("role", ["operator", "sales", "purchasing", "quality"])
def test_addresses_that_may_hold_a_password_are_not_shown_to_everybody(role):
    sync_roles()
    user = member(role)
    hidden = ["integrations.view_printerconnection", "integrations.view_noticerule"]
    assert [name for name in hidden if user.has_perm(name)] == []
    assert member("manager").has_perms(hidden)


def test_an_unknown_permission_is_an_error():
    with pytest.raises(UnknownPermission) as refused:
        permissions_matching(["accounts.view_user", "accounts.view_usr", "nowhere.*"])
    assert refused.value.details == {"unknown": ["accounts.view_usr", "nowhere.*"]}
    with pytest.raises(UnknownPermission):
        permissions_matching(["accounts.*"], excluded=["accounts.fly_user"])


def test_the_command_names_the_unknown_permission_and_writes_nothing(monkeypatch):
    # The table of roles is data; a misspelt line is put into it.
    monkeypatch.setitem(roles.ROLES, "sales", ("sales.confrim_salesorder",))
    with pytest.raises(CommandError, match=r"sales\.confrim_salesorder"):
        call_command("sync_roles")
    assert Group.objects.count() == 0
