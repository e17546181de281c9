"""An event loop in a thread that lives in a network namespace: what works there opens its sockets there."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from tests.support.private_networks import Namespace

# Seconds for the thread to begin or to end; it needs a millisecond.
_LIMIT = 15.0
T = TypeVar("T")


class LoopThread:
    """Begins at once; `stop` ends it. It never keeps the program alive."""

    def __init__(self, name: str, space: Namespace) -> None:
        self._loop = asyncio.new_event_loop()
        self._is_inside = threading.Event()
        self._thread = threading.Thread(target=self._live, args=(space,), name=name, daemon=True)
        self._thread.start()
        assert self._is_inside.wait(_LIMIT), f"the thread of {name} did not come into its namespace"

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it there, and wait here for its outcome."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    def stop(self) -> None:
        """End the thread; what still runs in its loop is cancelled."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_LIMIT)
        assert not self._thread.is_alive(), f"the thread of {self._thread.name} does not end"

    def _live(self, space: Namespace) -> None:
        space.enter()
        self._is_inside.set()
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            unfinished = asyncio.all_tasks(self._loop)
            for task in unfinished:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*unfinished, return_exceptions=True))
        finally:
            self._loop.close()
