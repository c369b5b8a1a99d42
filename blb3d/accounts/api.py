"""`/auth`: log in, stay logged in, log out, own data, passwords, proof of address.

Registering is the sales layer's, which makes the customer too.
"""

from __future__ import annotations

from typing import Any, cast

from django.contrib.auth import authenticate
from django.contrib.auth.models import update_last_login
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import RefreshToken
from rest_framework_simplejwt.utils import get_md5_hash_password

from blb3d.accounts import services as accounts
from blb3d.accounts.actor import actor_of
from blb3d.accounts.errors import InvalidCredentials
from blb3d.accounts.models import User, normalise_email
from blb3d.core.api.errors import InvalidToken
from blb3d.core.api.routers import both_slashes
from blb3d.core.api.serializers import ErrorSerializer, StrictFieldsMixin, StrictSerializer
from blb3d.core.api.throttles import AuthThrottle


class LoginSerializer(StrictSerializer):
    email = serializers.CharField(max_length=254)
    password = serializers.CharField(max_length=1000, trim_whitespace=False)


class RefreshSerializer(StrictSerializer):
    refresh_token = serializers.CharField(max_length=4000)


class TokensSerializer(serializers.Serializer[Any]):
    access_token = serializers.CharField()
    refresh_token = serializers.CharField()
    token_type = serializers.CharField()
    expires_in = serializers.IntegerField(help_text="Seconds the access token lives.")


class UserSerializer(StrictFieldsMixin, serializers.ModelSerializer[User]):
    roles: Any = serializers.SlugRelatedField(source="groups", slug_field="name", many=True, read_only=True)
    email_verified = serializers.BooleanField(source="is_email_verified", read_only=True)

    class Meta:
        model = User
        fields = (
            "id",
            "email",
            "first_name",
            "last_name",
            "phone",
            "is_staff",
            "email_verified",
            "roles",
            "created_at",
        )
        read_only_fields = ("id", "email", "is_staff", "created_at")


class EmailSerializer(StrictSerializer):
    email = serializers.EmailField()


class LinkSerializer(StrictSerializer):
    uid = serializers.CharField(max_length=100)
    token = serializers.CharField(max_length=200)


class NewPasswordSerializer(LinkSerializer):
    new_password = serializers.CharField(max_length=1000, trim_whitespace=False)


class MessageSerializer(serializers.Serializer[Any]):
    message = serializers.CharField()


def token_answer(user: User) -> dict[str, Any]:
    """Return a fresh pair of tokens in the words of the API."""
    refresh = RefreshToken.for_user(user)
    return {
        "access_token": str(refresh.access_token),
        "refresh_token": str(refresh),
        "token_type": "bearer",
        "expires_in": int(api_settings.ACCESS_TOKEN_LIFETIME.total_seconds()),
    }


def _use_up(raw: str) -> User:
    """Return the user of a refresh token and make it worthless. Raises InvalidToken, also for one used before."""
    try:
        token = RefreshToken(raw)  # type: ignore[arg-type]
    except TokenError:
        raise InvalidToken from None
    user = User.objects.filter(pk=token[api_settings.USER_ID_CLAIM], is_active=True).first()
    if user is None or token.get(api_settings.REVOKE_TOKEN_CLAIM) != get_md5_hash_password(user.password):
        raise InvalidToken
    is_first_use = cast(tuple[Any, bool], token.blacklist())[1]
    if not is_first_use:
        raise InvalidToken
    return user


class AuthView(APIView):
    """Base of the calls that nobody needs to be logged in for: tight limit, no session, so no CSRF."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = (AuthThrottle,)

    def valid(self, serializer_class: type[serializers.Serializer[Any]]) -> dict[str, Any]:
        serializer = serializer_class(data=self.request.data)
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data


class LoginView(AuthView):
    @extend_schema(
        operation_id="auth_login",
        request=LoginSerializer,
        responses={200: TokensSerializer, 401: ErrorSerializer, 429: ErrorSerializer},
    )
    def post(self, request: Request, **_: Any) -> Response:
        """Give tokens for e-mail and password; a few wrong passwords lock the e-mail for this address for a while."""
        given = self.valid(LoginSerializer)
        user = authenticate(request._request, username=normalise_email(given["email"]), password=given["password"])
        if not isinstance(user, User):
            # When it was one too many, the lockout middleware gives its own answer instead of this one.
            raise InvalidCredentials
        update_last_login(User, user)
        return Response(token_answer(user))


class RefreshView(AuthView):
    @extend_schema(
        operation_id="auth_refresh", request=RefreshSerializer, responses={200: TokensSerializer, 401: ErrorSerializer}
    )
    def post(self, request: Request, **_: Any) -> Response:
        """Give a new pair for a refresh token, which is good for one use."""
        return Response(token_answer(_use_up(self.valid(RefreshSerializer)["refresh_token"])))


class LogoutView(AuthView):
    @extend_schema(
        operation_id="auth_logout",
        request=RefreshSerializer,
        responses={204: OpenApiResponse(description="Logged out."), 401: ErrorSerializer},
    )
    def post(self, request: Request, **_: Any) -> Response:
        """Make a refresh token worthless; the access token ends by itself within its half hour."""
        _use_up(self.valid(RefreshSerializer)["refresh_token"])
        return Response(status=status.HTTP_204_NO_CONTENT)


class MeView(APIView):
    permission_classes = (IsAuthenticated,)

    @extend_schema(operation_id="auth_me", responses=UserSerializer)
    def get(self, request: Request, **_: Any) -> Response:
        """Return the caller."""
        return Response(UserSerializer(actor_of(request)).data)

    @extend_schema(operation_id="auth_me_update", request=UserSerializer, responses=UserSerializer)
    def patch(self, request: Request, **_: Any) -> Response:
        """Change the caller's name and phone."""
        actor = actor_of(request)
        serializer = UserSerializer(actor, data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        user = accounts.update_profile(actor, actor=actor, **serializer.validated_data)
        return Response(UserSerializer(user).data)


class PasswordResetView(AuthView):
    @extend_schema(operation_id="auth_password_reset", request=EmailSerializer, responses={202: MessageSerializer})
    def post(self, request: Request, **_: Any) -> Response:
        """Mail a reset link, if the address is known; the answer is the same either way."""
        accounts.request_password_reset(self.valid(EmailSerializer)["email"], actor=User.objects.system("registration"))
        return Response(
            {"message": "If this address is registered, a link is on its way."}, status=status.HTTP_202_ACCEPTED
        )


class PasswordConfirmView(AuthView):
    @extend_schema(
        operation_id="auth_password_confirm",
        request=NewPasswordSerializer,
        responses={200: MessageSerializer, 400: ErrorSerializer},
    )
    def post(self, request: Request, **_: Any) -> Response:
        """Set a new password by the mailed link; every other log-in of the user ends."""
        given = self.valid(NewPasswordSerializer)
        accounts.confirm_password_reset(**given, actor=User.objects.system("registration"))
        return Response({"message": "The password is changed."})


class VerifyEmailView(AuthView):
    @extend_schema(
        operation_id="auth_verify_email",
        request=LinkSerializer,
        responses={200: MessageSerializer, 400: ErrorSerializer},
    )
    def post(self, request: Request, **_: Any) -> Response:
        """Prove the e-mail address by the mailed link."""
        accounts.verify_email(**self.valid(LinkSerializer), actor=User.objects.system("registration"))
        return Response({"message": "The e-mail address is verified."})


urlpatterns = [
    both_slashes("auth/login", LoginView.as_view(), "auth-login"),
    both_slashes("auth/refresh", RefreshView.as_view(), "auth-refresh"),
    both_slashes("auth/logout", LogoutView.as_view(), "auth-logout"),
    both_slashes("auth/me", MeView.as_view(), "auth-me"),
    both_slashes("auth/password/reset", PasswordResetView.as_view(), "auth-password-reset"),
    both_slashes("auth/password/confirm", PasswordConfirmView.as_view(), "auth-password-confirm"),
    both_slashes("auth/verify-email", VerifyEmailView.as_view(), "auth-verify-email"),
]
