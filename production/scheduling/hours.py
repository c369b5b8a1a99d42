"""Working hours, searched fast."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

from production.scheduling.problem import Interval, Minutes

NEVER = float("inf")


def merged(intervals: Iterable[Interval]) -> list[Interval]:
    """Return the same time as intervals that ascend and do not touch."""
    found: list[Interval] = []
    for start, end in sorted(intervals):
        if end <= start:
            continue
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def without(intervals: Iterable[Interval], holes: Iterable[Interval]) -> list[Interval]:
    """Return the time of ``intervals`` that lies in none of ``holes``."""
    left = merged(intervals)
    for hole_start, hole_end in merged(holes):
        cut: list[Interval] = []
        for start, end in left:
            if end <= hole_start or start >= hole_end:
                cut.append((start, end))
                continue
            if start < hole_start:
                cut.append((start, hole_start))
            if end > hole_end:
                cut.append((hole_end, end))
        left = cut
    return left


class Hours:
    """Times in which something can go on."""

    __slots__ = ("before", "ends", "starts")

    def __init__(self, intervals: Iterable[Interval]) -> None:
        """Take intervals in any order."""
        found = merged(intervals)
        self.starts = [start for start, _ in found]
        self.ends = [end for _, end in found]
        #: Minutes of work that lie before each interval.
        self.before = [0.0]
        for start, end in found:
            self.before.append(self.before[-1] + (end - start))

    def window(self, at: Minutes, length: Minutes) -> Minutes:
        """Return the first moment from ``at`` on from which ``length`` minutes go in one piece, or ``NEVER``."""
        starts, ends = self.starts, self.ends
        for index in range(bisect_right(ends, at), len(ends)):
            start = starts[index]
            if start < at:
                start = at
            if start + length <= ends[index]:
                return start
        return NEVER

    def work(self, at: Minutes, length: Minutes) -> Interval:
        """Return when ``length`` minutes of work that may pause begin and end, from ``at`` on; ``NEVER`` if not."""
        starts, ends, before = self.starts, self.ends, self.before
        index = bisect_right(ends, at)
        if index == len(ends):
            return NEVER, NEVER
        start = starts[index]
        if start < at:
            start = at
        end = start + length
        if end <= ends[index]:
            return start, end
        done = before[index] + (start - starts[index]) + length
        index = bisect_left(before, done, index + 1) - 1
        if index == len(ends):
            return NEVER, NEVER
        return start, starts[index] + (done - before[index])

    def latest_begin(self, end: Minutes, length: Minutes) -> Minutes:
        """Return the last moment at which work of ``length`` minutes can begin to be over at ``end``.

        Where there are too few hours before, it is as long before ``end`` as the work is.
        """
        starts, before = self.starts, self.before
        index = bisect_left(starts, end) - 1
        if index < 0:
            return end - length
        done = before[index] + min(end - starts[index], self.ends[index] - starts[index]) - length
        if done < 0:
            return end - length
        index = bisect_right(before, done, 0, index + 1) - 1
        return starts[index] + (done - before[index])
