"""Making many rows at once without Python looking through all of them again and again for rings."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collecting_later() -> Iterator[None]:
    """Put off the collection of rings within the block: rows of a plan are tuples of numbers and hold none.

    Each few hundred new rows would start a search through everything the process holds; it took half the time.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
