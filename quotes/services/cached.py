"""Answers that are kept: the same file with the same settings is not read or estimated twice.

An answer is found again only by everything that it depends on, the code that made it included: the sources of the
readers and estimators are part of every key, so that no answer outlives a changed version of them.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from decimal import Decimal
from functools import cache as once
from pathlib import Path
from typing import Any, TypeVar

from django.core.cache import caches

import quotes
from quotes.modelfiles import ModelAnalysis

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Seconds. An estimator may ask a service outside, whose answers change without our code changing.
KEEP_ESTIMATE = 24 * 3600
KEEP_ANALYSIS = 7 * 24 * 3600
_CODE = ("modelfiles", "estimators", "services/estimates.py")
_MISSING = object()


def cached_estimate(key_parts: Any, compute: Callable[[], T]) -> T:
    """Return what ``compute()`` returned for these parts before, or call it now and keep its answer for a day.

    ``key_parts`` is everything that the answer depends on besides our code: the analyses themselves (their counts are
    in them), the ``EstimateSettings``, the dotted paths of the chain, the numbers of the corrections. Dataclasses,
    tuples, dicts, decimals and what JSON knows may be given as they are. The answer is anything that can be pickled.
    An error of ``compute`` goes through and is not kept. ::

        answer = cached_estimate((analysis, wanted, chain), lambda: estimate(analysis, wanted, estimators=chain))
    """
    return remembered("estimate", key_parts, compute, seconds=KEEP_ESTIMATE)


def remembered(kind: str, key_parts: Any, compute: Callable[[], T], *, seconds: int, where: str = "default") -> T:
    """Return ``compute()``, or what it returned for the same parts; a cache that is away only costs time."""
    key, cache = key_of(kind, key_parts), caches[where]
    try:
        found = cache.get(key, _MISSING)
    except Exception:
        log.warning("The cache did not answer; %s is computed.", kind, exc_info=True)
        return compute()
    if found is not _MISSING:
        return found  # type: ignore[no-any-return]
    answer = compute()
    try:
        cache.set(key, answer, seconds)
    except Exception:
        log.warning("The cache did not take an answer of kind %s.", kind, exc_info=True)
    return answer


def key_of(kind: str, key_parts: Any) -> str:
    """Return the cache key of these parts under the present code."""
    text = json.dumps([code_version(), key_parts], default=_plain, sort_keys=True)
    return f"quotes:{kind}:{hashlib.sha256(text.encode()).hexdigest()}"


@once
def code_version(root: Path = Path(quotes.__file__).parent) -> str:
    """Return the SHA-256 over the sources and coefficients of readers and estimators: a change of them changes it."""
    digest = hashlib.sha256()
    for name in _CODE:
        found = [p for p in [root / name] if p.is_file()] or sorted((root / name).rglob("*.*"))
        for path in found:
            if path.suffix in {".py", ".json"} and "tests" not in path.parts:
                digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, ModelAnalysis):
        return value.as_dict()
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Decimal):
        # 1 and 1.0 are the same setting.
        return str(value.normalize())
    raise TypeError(f"{type(value).__name__} cannot be part of a cache key")
