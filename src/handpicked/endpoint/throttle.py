"""Limits the requests in flight: halved after a 429, raised again by success."""

from __future__ import annotations

import asyncio
import time

APART = 0.001
"""Seconds from one request to the next. Replies that come in a burst are read one after the other, each
waiting for those before it, and what is then sent at once comes back as a burst again: the wait would be paid
in every round.
"""


class Throttle:
    """Additive increase, multiplicative decrease (Chiu and Jain, 1989), and a shared pause after a 429.

    All times are ``time.monotonic`` seconds.
    """

    def __init__(self, most: int) -> None:
        self.limit = float(most)
        self._most = most
        self._active = 0
        self._waiting = 0
        self._resume_at = 0.0
        self._turn = 0.0
        self._cut_at = float("-inf")
        self._changed = asyncio.Condition()

    async def enter(self) -> float:
        """Wait for a turn, a free place and the end of any pause; returns the time of entry."""
        now = time.monotonic()
        self._turn = max(now, self._turn + APART)
        if self._turn > now:
            await asyncio.sleep(self._turn - now)
            now = time.monotonic()
        if now >= self._resume_at and self._active < int(self.limit):
            self._active += 1
            return now
        async with self._changed:
            while True:
                pause = self._resume_at - time.monotonic()
                if pause > 0:
                    await _released(self._changed, pause)
                elif self._active >= int(self.limit):
                    self._waiting += 1
                    try:
                        await self._changed.wait()
                    finally:
                        self._waiting -= 1
                else:
                    self._active += 1
                    return time.monotonic()

    async def leave(self, success: bool) -> None:
        """Give the place back; a success makes room for a little more."""
        self._active -= 1
        if success:
            self.limit = min(float(self._most), self.limit + 1 / self.limit)
        if self._waiting:
            async with self._changed:
                self._changed.notify_all() if self.limit < self._most else self._changed.notify()

    def slow_down(self, entered: float, pause: float) -> None:
        """A 429 came: halve the limit, once for all requests that were in flight together, and pause
        everyone.
        """
        if entered >= self._cut_at:
            self.limit = max(1.0, self.limit / 2)
            self._cut_at = time.monotonic()
        self._resume_at = max(self._resume_at, time.monotonic() + pause)


async def _released(condition: asyncio.Condition, seconds: float) -> None:
    """Sleep without holding the condition's lock."""
    condition.release()
    try:
        await asyncio.sleep(seconds)
    finally:
        await condition.acquire()
