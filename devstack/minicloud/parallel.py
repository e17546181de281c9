"""Doing several things at once inside a host's network, and hearing of the first that failed.

Each runs in a thread of its own that enters the network for as long as it lives. The threads are daemons: when one of
them fails, the failure is raised at once, and what the others still wait for keeps no process from ending.
"""

import queue
import threading
from collections.abc import Callable, Sequence

from minicloud import kernel

Task = Callable[[], object]


def together(namespace: str, tasks: Sequence[Task]) -> None:
    """Run the tasks at once, each in the network `namespace`, and return when all are done.

    Raises what the first that failed raised.
    """
    outcomes: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()

    def carry_out(task: Task) -> None:
        try:
            kernel.enter_network_namespace(namespace)
            task()
        except BaseException as error:  # noqa: BLE001 - raised again by the caller's thread.
            outcomes.put(error)
        else:
            outcomes.put(None)

    for task in tasks:
        threading.Thread(target=carry_out, args=(task,), daemon=True).start()
    for _ in tasks:
        outcome = outcomes.get()
        if outcome is not None:
            raise outcome
