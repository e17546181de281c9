"""Hands what happens in the agent to whoever listens; never waits for a listener, and never grows without bound.

A listener that does not keep up is cut off: it gets what was kept for it, then `TooSlowError` with the number of items
that it missed. So a monitor whose terminal is stopped costs some memory for a while, and the gossip nothing.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Mapping

from ceilo_gossip.control.source import Answer, RefusalError

# Items kept for one listener: the death of a rack of forty hosts, told by three pools and the judge, is some 500.
MAX_BACKLOG = 1024


class TooSlowError(RefusalError):
    """The listener was cut off. missed: the items that it did not get."""

    def __init__(self, missed: int) -> None:
        super().__init__(
            f"cut off: this reader was too slow, {missed} event(s) were dropped; read faster, or ask for fewer kinds"
        )
        self.missed = missed


class Listener:
    """What one listener has not read yet. An asynchronous iterator, which ends when the feed does."""

    def __init__(self, wanted: Callable[[Answer], bool], forget: Callable[["Listener"], None], most: int) -> None:
        self._wanted = wanted
        self._forget = forget
        self._most = most
        self._kept: deque[Answer] = deque()
        self._news = asyncio.Event()
        self._missed = 0
        self._is_over = False

    def offer(self, item: Answer) -> bool:
        """Keep an item, if it is wanted; False if that item had to be dropped."""
        if not self._wanted(item):
            return True
        if self._missed or len(self._kept) >= self._most:
            self._missed += 1
            return False
        self._kept.append(item)
        self._news.set()
        return True

    @property
    def is_cut_off(self) -> bool:
        """Whether anything was dropped."""
        return self._missed > 0

    def end(self) -> None:
        """Nothing more will come."""
        self._is_over = True
        self._news.set()

    def close(self) -> None:
        """Stop listening."""
        self.end()
        self._forget(self)

    def __aiter__(self) -> "Listener":
        return self

    async def __anext__(self) -> Answer:
        while not self._kept:
            if self._missed:
                raise TooSlowError(self._missed)
            if self._is_over:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        return self._kept.popleft()


class Feed:
    """All listeners. counters: what was dropped, since the start."""

    def __init__(self, *, most: int = MAX_BACKLOG) -> None:
        self._most = most
        self._listeners: list[Listener] = []
        self._counters: Counter[str] = Counter()

    @property
    def counters(self) -> Mapping[str, int]:
        """Items dropped for slow listeners, and listeners cut off, since the start."""
        return self._counters

    @property
    def has_listeners(self) -> bool:
        """Whether making an item is worth the while."""
        return bool(self._listeners)

    def publish(self, item: Answer) -> None:
        """Offer an item to every listener."""
        for listener in self._listeners:
            was_cut_off = listener.is_cut_off
            if not listener.offer(item):
                self._counters["events_dropped"] += 1
                self._counters["slow_readers_cut_off"] += not was_cut_off

    def listen(self, wanted: Callable[[Answer], bool]) -> Listener:
        """Begin to listen to what is `wanted`; close it in the end."""
        listener = Listener(wanted, self._forget, self._most)
        self._listeners.append(listener)
        return listener

    def close(self) -> None:
        """Nothing more will happen."""
        for listener in self._listeners:
            listener.end()

    def _forget(self, listener: Listener) -> None:
        if listener in self._listeners:
            self._listeners.remove(listener)
