"""One envelope for every error of the API: `{"error_code", "message", "details"}`."""

from __future__ import annotations

import logging
from typing import Any

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.core.exceptions import NON_FIELD_ERRORS
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import set_rollback

from blb3d.core.errors import BLB3DError

log = logging.getLogger(__name__)
