"""Answers that hold a file open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def put_down(answer: Any) -> Iterator[Any]:
    """Close an answer's file at the end of the block.

    Closing the answer itself would end the request, and with it the connection that holds the test's transaction.
    """
    try:
        yield answer
    finally:
        for close in answer._resource_closers:
            close()
        answer._resource_closers.clear()
