from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from blb3d.accounts.models import User
from blb3d.core.actors import acting
from sales.models import Customer, SalesOrder, SalesOrderLine

pytestmark = [pytest.mark.django_db, pytest.mark.urls("blb3d.core.tests.admin_urls")]


@pytest.fixture
def boss() -> User:
    return User.objects.create_superuser("boss@example.com", first_name="Boss")


@pytest.fixture
def client(boss: User) -> Client:
    client = Client()
    client.force_login(boss)
    return client


@pytest.fixture
def order(boss: User) -> SalesOrder:
    with acting(boss):
        customer = Customer.objects.create(customer_number="C-1", name="Ada", email="ada@example.com")
        return SalesOrder.objects.create(order_number="SO-1", customer=customer)


def page(order: SalesOrder) -> str:
    return reverse("admin:sales_salesorder_change", args=[order.pk])


def door(order: SalesOrder, name: str) -> str:
    return reverse("admin:sales_salesorder_verb", args=[order.pk, name])


def filled(order: SalesOrder, **values: Any) -> dict[str, Any]:
    return {
        "customer": order.customer_id,
        "customer_po_number": "",
        "internal_note": "",
        "_version": order.version,
        "lines-TOTAL_FORMS": 0,
        "lines-INITIAL_FORMS": 0,
        **values,
    }


def staff(*permissions: str) -> Client:
    user = User.objects.create_user("clerk@example.com", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def said(response: Any) -> list[str]:
    return [str(message) for message in response.context["messages"]]


def test_a_page_shows_number_status_facts_and_the_legal_steps(client: Client, order: SalesOrder) -> None:
    html = client.get(page(order)).content.decode()
    assert "SO-1" in html
    assert "chip--waiting" in html
    assert door(order, "confirm") in html
    assert door(order, "hold") in html
    assert door(order, "cancel") in html
    assert door(order, "deliver") not in html
    assert "act--primary" in html
    assert "act--danger" in html


def test_a_step_is_taken_by_post_and_its_actor_remembered(client: Client, order: SalesOrder, boss: User) -> None:
    response = client.post(door(order, "confirm"), {"_version": order.version}, follow=True)
    order.refresh_from_db()
    assert order.status == "confirmed"
    assert order.history.first().history_user == boss
    assert said(response) == ["Confirm: done for SO-1. It is now confirmed."]


@pytest.mark.parametrize("method", ["get", "put", "head"])
def test_a_step_is_refused_by_any_other_method(client: Client, order: SalesOrder, method: str) -> None:
    assert getattr(client, method)(door(order, "confirm")).status_code == 405
    order.refresh_from_db()
    assert order.status == "pending"


def test_a_post_without_a_token_is_refused(boss: User, order: SalesOrder) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(boss)
    assert client.post(door(order, "confirm")).status_code == 403
    order.refresh_from_db()
    assert order.status == "pending"


def test_a_required_reason_is_asked_for_on_a_page(client: Client, order: SalesOrder) -> None:
    asked = client.post(door(order, "hold"), {"_version": order.version})
    assert asked.status_code == 200
    assert asked.context["form"].fields["reason"].required
    refused = client.post(door(order, "hold"), {"_version": order.version, "_answered": "1", "reason": " "})
    assert refused.context["form"].errors == {"reason": ["This field is required."]}
    order.refresh_from_db()
    assert order.status == "pending"
    client.post(door(order, "hold"), {"_version": order.version, "_answered": "1", "reason": "address wrong"})
    order.refresh_from_db()
    assert (order.status, order.hold_reason) == ("on_hold", "address wrong")
    assert order.history.first().history_change_reason == "address wrong"


def test_a_step_that_is_not_legal_is_refused_kindly(client: Client, order: SalesOrder) -> None:
    response = client.post(door(order, "deliver"), follow=True)
    assert said(response) == ["Deliver is not possible: SO-1 is pending. [CONFLICT_002]"]
    order.refresh_from_db()
    assert order.status == "pending"


def test_a_step_pressed_on_an_old_page_is_refused(client: Client, order: SalesOrder, boss: User) -> None:
    with acting(boss):
        SalesOrder.objects.get(pk=order.pk).save()
    response = client.post(door(order, "confirm"), {"_version": order.version}, follow=True)
    assert said(response) == [
        "Boss changed SO-1 after you opened it. Please look again; nothing was done. [CONFLICT_001]"
    ]
    order.refresh_from_db()
    assert order.status == "pending"


def test_a_step_needs_its_own_permission(order: SalesOrder) -> None:
    client = staff("view_salesorder", "change_salesorder", "hold_salesorder")
    html = client.get(page(order)).content.decode()
    assert door(order, "hold") in html
    assert door(order, "confirm") not in html
    assert client.post(door(order, "confirm")).status_code == 403
    order.refresh_from_db()
    assert order.status == "pending"


def test_who_may_only_look_may_still_take_a_permitted_step(order: SalesOrder) -> None:
    client = staff("view_salesorder", "confirm_salesorder")
    assert client.post(door(order, "confirm"), {"_version": 1}).status_code == 302
    order.refresh_from_db()
    assert order.status == "confirmed"


def test_an_unknown_act_or_document_is_not_found(client: Client, order: SalesOrder) -> None:
    assert client.post(door(order, "explode")).status_code == 404
    assert client.post(reverse("admin:sales_salesorder_verb", args=[999, "confirm"])).status_code == 404


def test_an_act_with_a_form_asks_and_gets_its_fields(client: Client, order: SalesOrder) -> None:
    asked = client.post(door(order, "promise"))
    assert asked.context["form"]["days"].value() == 2
    response = client.post(door(order, "promise"), {"_answered": "1", "days": "5"}, follow=True)
    order.refresh_from_db()
    assert order.internal_note == "promised in 5 days"
    assert said(response)[0].startswith("Promise: done for SO-1. It is now pending. <a href=")


def test_a_refusal_of_an_act_keeps_what_was_typed(client: Client, order: SalesOrder) -> None:
    response = client.post(door(order, "promise"), {"_answered": "1", "days": "50"})
    assert response.context["form"].non_field_errors() == ["Nobody waits that long. (days: 50) [VALID_001]"]
    assert response.context["form"]["days"].value() == "50"
    order.refresh_from_db()
    assert order.internal_note == ""


def test_an_act_that_answers_with_a_file_sends_it(client: Client, order: SalesOrder) -> None:
    response = client.post(door(order, "paper"))
    assert response.content == b"paper of SO-1"


def test_an_act_may_search_for_a_document(client: Client, order: SalesOrder) -> None:
    html = client.post(door(order, "move")).content.decode()
    assert 'data-ajax--url="/admin/autocomplete/"' in html
    assert 'data-field-name="customer"' in html


def test_saving_a_page_sets_the_acting_user(client: Client, order: SalesOrder, boss: User) -> None:
    client.post(page(order), filled(order, internal_note="call first"))
    order.refresh_from_db()
    assert (order.internal_note, order.updated_by, order.version) == ("call first", boss, 2)
    assert order.history.first().history_user == boss


def test_a_stale_page_is_refused_and_nothing_typed_is_lost(client: Client, order: SalesOrder, boss: User) -> None:
    with acting(boss):
        other = SalesOrder.objects.get(pk=order.pk)
        other.customer_po_number = "PO 7"
        other.save()
    response = client.post(page(order), filled(order, internal_note="typed"))
    [error] = response.context["adminform"].form.non_field_errors()
    assert error.startswith("Boss changed this (customer PO number) after you opened it. Nothing was saved")
    assert response.context["adminform"].form["internal_note"].value() == "typed"
    assert '<input type="hidden" name="_version" value="2">' in response.content.decode()
    order.refresh_from_db()
    assert (order.internal_note, order.customer_po_number) == ("", "PO 7")


def test_a_refusal_while_saving_is_shown_above_what_was_typed(client: Client, order: SalesOrder) -> None:
    response = client.post(page(order), filled(order, customer_po_number="refuse"))
    assert response.context["adminform"].form.non_field_errors() == ["That number is taken. [VALID_001]"]
    assert response.context["adminform"].form["customer_po_number"].value() == "refuse"
    order.refresh_from_db()
    assert (order.customer_po_number, order.version) == ("", 1)


def test_nobody_types_a_status(client: Client, order: SalesOrder) -> None:
    client.post(page(order), filled(order, status="shipped"))
    order.refresh_from_db()
    assert order.status == "pending"


def test_many_rows_are_confirmed_and_the_skipped_are_named(client: Client, order: SalesOrder, boss: User) -> None:
    with acting(boss):
        other = SalesOrder.objects.create(order_number="SO-2", customer=order.customer)
    client.post(door(other, "confirm"))
    response = client.post(
        reverse("admin:sales_salesorder_changelist"),
        {"action": "verb_confirm", "_selected_action": [order.pk, other.pk]},
        follow=True,
    )
    order.refresh_from_db()
    assert order.status == "confirmed"
    done, skipped = said(response)[-2:]
    assert done == "Confirm: 1 done."
    assert skipped.startswith("Confirm: 1 skipped. SO-2: confirm is not possible from confirmed.")


def test_a_list_is_not_offered_acts_that_the_role_lacks(order: SalesOrder) -> None:
    client = staff("view_salesorder")
    html = client.get(reverse("admin:sales_salesorder_changelist")).content.decode()
    assert "verb_confirm" not in html
    assert "delete_selected" not in html


def test_related_documents_are_linked_only_where_the_role_may_look(client: Client, order: SalesOrder) -> None:
    customer = reverse("admin:sales_customer_change", args=[order.customer_id])
    assert [group.label for group in client.get(page(order)).context["document"]["related"]] == ["customer"]
    assert customer in client.get(page(order)).content.decode()
    assert staff("view_salesorder").get(page(order)).context["document"]["related"] == []


def test_the_timeline_tells_who_moved_it_and_why(client: Client, order: SalesOrder) -> None:
    client.post(door(order, "cancel"), {"_answered": "1", "reason": "paid twice"})
    newest, first = client.get(page(order)).context["document"]["timeline"]
    assert (newest.who, newest.reason, newest.what) == ("Boss", "paid twice", "changed")
    assert "Cancelled" in newest.status
    assert (first.what, first.changed) == ("created", [])


def test_an_old_version_is_shown_and_never_put_back(client: Client, order: SalesOrder) -> None:
    first = order.history.last()
    client.post(door(order, "confirm"))
    url = reverse("admin:sales_salesorder_simple_history", args=[order.pk, first.pk])
    assert client.get(url).status_code == 200
    assert client.post(url, filled(order, internal_note="old")).status_code == 403
    order.refresh_from_db()
    assert (order.status, order.internal_note) == ("confirmed", "")
    assert client.get(reverse("admin:sales_salesorder_history", args=[order.pk])).status_code == 200


def test_the_history_tells_values_reasons_and_people(client: Client, order: SalesOrder) -> None:
    client.post(page(order), filled(order, customer_po_number="4500-1187"))
    client.post(door(order, "hold"), {"_answered": "1", "reason": "address wrong"})
    url = reverse("admin:sales_salesorder_history", args=[order.pk])
    held, saved, made = client.get(url).context["entries"]
    assert (held.who, held.reason) == ("Boss", "address wrong")
    assert "hold reason: – → address wrong" in held.changed
    assert saved.changed == ["customer PO number: – → 4500-1187"]
    assert (made.what, made.changed) == ("created", [])
    assert staff("change_customer").get(url).status_code == 403


def test_lines_stand_above_the_form_and_empty_sections_are_left_out(client: Client, order: SalesOrder) -> None:
    bare = client.get(page(order)).content.decode()
    assert 'id="lines-group"' not in bare
    assert 'name="lines-TOTAL_FORMS"' in bare
    SalesOrderLine.objects.create(sales_order=order, line_number=1, name="Cube", quantity=2, unit_price=3, total=6)
    html = client.get(page(order)).content.decode()
    assert html.index('id="lines-group"') < html.index('name="internal_note"')


def test_saving_stays_on_the_page(client: Client, order: SalesOrder) -> None:
    response = client.post(page(order), filled(order, internal_note="call first"))
    assert response.headers["Location"] == page(order)


def test_a_page_without_anything_to_type_has_no_save_button(order: SalesOrder) -> None:
    assert 'name="_save"' not in staff("view_salesorder").get(page(order)).content.decode()


def test_nothing_is_deleted(client: Client, order: SalesOrder) -> None:
    url = reverse("admin:sales_salesorder_delete", args=[order.pk])
    assert client.post(url, {"post": "yes"}).status_code == 403
    assert SalesOrder.objects.count() == 1


def test_keys_are_searched_where_the_target_can_be(client: Client, order: SalesOrder) -> None:
    html = client.get(page(order)).content.decode()
    assert 'data-model-name="salesorder"' in html
    assert 'data-field-name="customer"' in html
