"""`/auth/register` and `/customers`: becoming a customer, one's people and addresses."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from blb3d.accounts.api import AuthView, UserSerializer
from blb3d.core.api.idempotency import idempotent
from blb3d.core.api.lists import PlainListMixin
from blb3d.core.api.permissions import requires
from blb3d.core.api.serializers import ErrorSerializer, StrictFieldsMixin, StrictSerializer
from blb3d.core.api.versions import VersionedMixin, expected_version
from blb3d.core.documents import Document
from blb3d.core.errors import NotFound
from sales import selectors
from sales import services as sales
from sales.api.shown import MONEY
from sales.models import Customer, CustomerAddress, CustomerUser


class RegisterSerializer(StrictSerializer):
    email = serializers.CharField(max_length=254)
    password = serializers.CharField(max_length=1000, trim_whitespace=False)
    first_name = serializers.CharField(max_length=100)
    last_name = serializers.CharField(max_length=100)
    company_name = serializers.CharField(max_length=200, required=False, allow_blank=True, default="")
    phone = serializers.CharField(max_length=40, required=False, allow_blank=True, default="")


class RegisterView(AuthView):
    @extend_schema(
        operation_id="auth_register",
        request=RegisterSerializer,
        responses={201: UserSerializer, 400: ErrorSerializer, 409: ErrorSerializer, 429: ErrorSerializer},
    )
    def post(self, request: Request, **_: Any) -> Response:
        """Register a person and the customer they act for; a link to prove the address is mailed."""
        member = sales.register_customer(**self.valid(RegisterSerializer))
        return Response(UserSerializer(member.user).data, status=status.HTTP_201_CREATED)


class CustomerSerializer(StrictFieldsMixin, serializers.ModelSerializer[Customer]):
    class Meta:
        model = Customer
        fields = (
            "id",
            "customer_number",
            "name",
            "company_name",
            "email",
            "phone",
            "terms",
            "tax_exempt",
            "version",
        )
        read_only_fields = ("id", "customer_number", "email", "terms", "tax_exempt", "version")


class MemberSerializer(serializers.ModelSerializer[CustomerUser]):
    email = serializers.CharField(source="user.email", read_only=True)
    first_name = serializers.CharField(source="user.first_name", read_only=True)
    last_name = serializers.CharField(source="user.last_name", read_only=True)

    class Meta:
        model = CustomerUser
        fields = ("id", "email", "first_name", "last_name", "role", "approval_limit", "is_active", "version")


class NewMemberSerializer(StrictSerializer):
    email = serializers.EmailField(max_length=254)
    first_name = serializers.CharField(max_length=100)
    last_name = serializers.CharField(max_length=100)
    role = serializers.ChoiceField(choices=CustomerUser.Role.choices, default=CustomerUser.Role.BUYER)


class MemberChangeSerializer(StrictSerializer):
    role = serializers.ChoiceField(choices=CustomerUser.Role.choices, required=False)
    approval_limit = serializers.DecimalField(**MONEY, min_value=0, required=False, allow_null=True)
    is_active = serializers.BooleanField(required=False)


class AddressSerializer(StrictFieldsMixin, serializers.ModelSerializer[CustomerAddress]):
    class Meta:
        model = CustomerAddress
        fields = (
            "id",
            "address_type",
            "is_default",
            "name",
            "company",
            "address_line1",
            "address_line2",
            "city",
            "state",
            "postal_code",
            "country",
            "version",
        )
        read_only_fields = ("id", "version")
        # One default per kind is the verb's business: it takes the place of the old one.
        validators: ClassVar = []


def own_customer(request: Request) -> Customer:
    """Return the caller's customer. Raises NotFound for who has none."""
    member = selectors.membership_of(request.user)  # type: ignore[arg-type]
    if member is None:
        raise NotFound("You do not act for a customer.")
    return member.customer


class CustomerViewSet(
    PlainListMixin, VersionedMixin, mixins.ListModelMixin, mixins.RetrieveModelMixin, GenericViewSet[Customer]
):
    """All customers, for staff."""

    permission_classes = (requires("sales.view_customer"),)
    queryset = Customer.objects.all()
    serializer_class = CustomerSerializer
    lookup_value_regex = r"\d+"
    filterset_fields: ClassVar = ["is_active", "terms", "email"]
    search_fields: ClassVar = ["customer_number", "name", "company_name", "email"]
    ordering_fields: ClassVar = ["name", "customer_number"]


class MyCustomerView(VersionedMixin, APIView):
    permission_classes = (IsAuthenticated,)

    @extend_schema(operation_id="customers_me", responses={200: CustomerSerializer, 404: ErrorSerializer})
    def get(self, request: Request, **_: Any) -> Response:
        """Return the caller's customer."""
        return Response(CustomerSerializer(own_customer(request)).data)

    @extend_schema(
        operation_id="customers_me_update",
        request=CustomerSerializer,
        responses={200: CustomerSerializer, 403: ErrorSerializer, 409: ErrorSerializer},
    )
    def patch(self, request: Request, **_: Any) -> Response:
        """Change name, company and phone; for the customer's administrators."""
        customer = own_customer(request)
        serializer = CustomerSerializer(customer, data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        version = expected_version(request)
        sales.update_customer(customer, version=version, actor=request.user, **serializer.validated_data)
        return Response(CustomerSerializer(customer).data)


class _OwnViewSet(
    PlainListMixin, VersionedMixin, mixins.ListModelMixin, mixins.RetrieveModelMixin, GenericViewSet[Any]
):
    """Rows of the caller's own customer."""

    model: type[Document]
    permission_classes = (IsAuthenticated,)
    lookup_value_regex = r"\d+"

    def get_queryset(self) -> QuerySet[Any]:
        if getattr(self, "swagger_fake_view", False):
            return self.model.objects.none()
        return self.model.objects.filter(customer=own_customer(self.request)).order_by("id")

    def given(self, serializer: serializers.Serializer[Any]) -> dict[str, Any]:
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data  # type: ignore[no-any-return]


class MemberViewSet(_OwnViewSet):
    """The people of the caller's customer; administrators add and change them."""

    model = CustomerUser
    queryset = CustomerUser.objects.none()
    serializer_class = MemberSerializer

    def get_queryset(self) -> QuerySet[Any]:
        return super().get_queryset().select_related("user", "customer")

    @extend_schema(
        request=NewMemberSerializer, responses={201: MemberSerializer, 403: ErrorSerializer, 409: ErrorSerializer}
    )
    @idempotent()
    def create(self, request: Request, **_: Any) -> Response:
        """Give a colleague access; they choose a password by a mailed link."""
        customer = own_customer(request)
        given = self.given(NewMemberSerializer(data=request.data))
        member = sales.add_customer_user(customer, actor=request.user, **given)
        return Response(MemberSerializer(member).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        request=MemberChangeSerializer,
        responses={200: MemberSerializer, 400: ErrorSerializer, 403: ErrorSerializer, 409: ErrorSerializer},
    )
    def partial_update(self, request: Request, **_: Any) -> Response:
        """Change role, limit or access."""
        member = self.get_object()
        given = self.given(MemberChangeSerializer(data=request.data))
        version = expected_version(request)
        sales.update_customer_user(member, version=version, actor=request.user, **given)
        return Response(MemberSerializer(member).data)


class AddressViewSet(_OwnViewSet):
    """The addresses of the caller's customer; administrators add and change them."""

    model = CustomerAddress
    queryset = CustomerAddress.objects.none()
    serializer_class = AddressSerializer

    @extend_schema(responses={201: AddressSerializer, 400: ErrorSerializer, 403: ErrorSerializer})
    @idempotent()
    def create(self, request: Request, **_: Any) -> Response:
        """Add an address."""
        customer = own_customer(request)
        given = self.given(AddressSerializer(data=request.data))
        address = sales.save_address(customer, actor=request.user, **given)
        return Response(AddressSerializer(address).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses={200: AddressSerializer, 403: ErrorSerializer, 409: ErrorSerializer})
    def partial_update(self, request: Request, **_: Any) -> Response:
        """Change an address."""
        address = self.get_object()
        given = self.given(AddressSerializer(address, data=request.data, partial=True))
        version = expected_version(request)
        customer = own_customer(request)
        sales.save_address(customer, address=address, version=version, actor=request.user, **given)
        return Response(AddressSerializer(address).data)

    @extend_schema(responses={204: None, 403: ErrorSerializer, 404: ErrorSerializer})
    def destroy(self, request: Request, **_: Any) -> Response:
        """Take an address off the list."""
        sales.remove_address(self.get_object(), actor=request.user)
        return Response(status=status.HTTP_204_NO_CONTENT)
