import pytest

from blb3d.accounts.models import PortalSession
from blb3d.accounts.services import start_visit, touch_visit
from blb3d.accounts.tests.factories import UserFactory

pytestmark = pytest.mark.django_db


def test_a_visit_starts_anonymous_and_learns_who_it_is():
    visit = start_visit(ip_address="10.0.0.1", user_agent="x" * 900)
    assert (len(visit.user_agent), visit.email, visit.user) == (500, "", None)
    user = UserFactory()
    touch_visit(visit.session_id, quotes=1)
    touch_visit(visit.session_id, user=user, quotes=2)
    visit.refresh_from_db()
    assert (visit.quotes_generated, visit.user, visit.email) == (3, user, user.email)
    assert visit.last_activity > visit.started_at


def test_a_guest_may_leave_an_email_only():
    visit = start_visit(ip_address=None, user_agent="")
    touch_visit(visit.session_id, email=" Guest@Example.com")
    assert PortalSession.objects.get().email == "guest@example.com"


def test_an_unknown_visit_is_nobodys():
    touch_visit("unknown", quotes=1)
    assert PortalSession.objects.count() == 0
