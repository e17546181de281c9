"""The message bus: queues that keep what nobody has taken, consumers that may die over a message, and RPC.

It lives on a controller, its home, and moves to another one some time after that one died. Its queues are durable
(`amqp_durable_queues`), as we ask of the operator, unless the world says otherwise: then a restart loses them.
"""

import dataclasses
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from ceilo_gossip.contract.networks import Network
from tests.simulation.world.fabric import Fabric
from tests.simulation.world.kernel import Kernel

MAX_QUEUE: Final = 10_000  # Messages; far above what a few hundred hosts say in minutes.
TAKEOVER: Final = (5.0, 20.0)  # Seconds until another controller serves what a dead one served: keepalived, pacemaker.


@dataclasses.dataclass(frozen=True, slots=True)
class Message:
    """One notification on the bus."""

    message_id: str
    topic: str
    event_type: str
    payload: Mapping[str, Any]
    generated_at: float


class Service:
    """Something that runs on one controller at a time. `is_alive` asks whether a controller can serve."""

    def __init__(
        self, name: str, controllers: tuple[str, ...], kernel: Kernel, fabric: Fabric, is_alive: Callable[[str], bool]
    ) -> None:
        self.name = name
        self._controllers = controllers
        self._kernel = kernel
        self._fabric = fabric
        self._is_alive = is_alive
        self._rng = kernel.stream(f"service/{name}")
        self.home = controllers[0]
        self.down_for: set[str] = set()  # Faults that keep it down.
        self._is_moving = False

    @property
    def is_up(self) -> bool:
        """Whether it serves."""
        return not self.down_for and not self._is_moving and self._is_alive(self.home)

    def is_reachable(self, host: str) -> bool:
        """Whether a process on `host` can use it."""
        return self.is_up and self._fabric.connects(Network.MANAGEMENT, host, self.home)

    def controllers_changed(self) -> None:
        """A controller died or came back: move if ours is dead."""
        if not self._is_alive(self.home) and not self._is_moving:
            self._is_moving = True
            self._kernel.after(self._rng.uniform(*TAKEOVER), self._move)

    def _move(self) -> None:
        self._is_moving = False
        alive = [name for name in self._controllers if self._is_alive(name)]
        if alive:
            self.home = alive[0]
        else:
            self._is_moving = True
            self._kernel.after(1.0, self._move)


class Broker(Service):
    """The message bus."""

    def __init__(
        self, controllers: tuple[str, ...], kernel: Kernel, fabric: Fabric, is_alive: Callable[[str], bool]
    ) -> None:
        super().__init__("bus", controllers, kernel, fabric, is_alive)
        self.queues: dict[str, deque[Message]] = {}
        self._consumers: dict[str, Consumer] = {}
        self.published = 0
        self.is_durable = True

    def latency(self) -> float:
        """Seconds for one message to be confirmed."""
        return self._rng.uniform(0.001, 0.005)

    def patience(self) -> float:
        """Seconds until the driver gives up on a bus that is away: one reconnect."""
        return self._rng.uniform(0.1, 2.0)

    def publish(self, topic: str, event_type: str, payload: Mapping[str, Any]) -> None:
        """Keep a notification until its consumer has taken it."""
        self.published += 1
        message = Message(f"msg-{self.published}", topic, event_type, dict(payload), self._kernel.now)
        self.requeue(message)

    def requeue(self, message: Message) -> None:
        """Put a message into its queue; beyond the bound the oldest goes."""
        queue = self.queues.setdefault(message.topic, deque(maxlen=MAX_QUEUE))
        queue.append(message)
        self.poke(message.topic)

    def attach(self, consumer: "Consumer") -> None:
        """`consumer` takes what is in its topic's queue."""
        self._consumers[consumer.topic] = consumer

    def poke(self, topic: str) -> None:
        """Let the topic's consumer look."""
        consumer = self._consumers.get(topic)
        if consumer is not None:
            consumer.look()

    def restarted(self) -> None:
        """It is back: queues that are not durable are empty."""
        if not self.is_durable:
            for queue in self.queues.values():
                queue.clear()
        for topic in sorted(self._consumers):
            self.poke(topic)


class Consumer:
    """A service that takes one message after another from a topic, works on it, and acknowledges it.

    Killed, it leaves its message unacknowledged: the broker delivers it again, though its effect may have happened.
    `work` returns nothing and may not block; it happens `delay` seconds after the message was taken.
    """

    def __init__(
        self,
        name: str,
        topic: str,
        broker: Broker,
        kernel: Kernel,
        *,
        work: Callable[[Message], None],
        delay: tuple[float, float],
    ) -> None:
        self.name = name
        self.topic = topic
        self._broker = broker
        self._kernel = kernel
        self._rng = kernel.stream(f"consumer/{name}")
        self._work = work
        self._delay = delay
        self.down_for: set[str] = set()
        self._life = 0
        self._is_busy = False
        self.redelivers_late = 0.0  # Seconds that an unacknowledged message waits for its second delivery.
        broker.attach(self)

    @property
    def is_up(self) -> bool:
        """Whether it runs."""
        return not self.down_for

    def look(self) -> None:
        """Take the next message, if there is one."""
        queue = self._broker.queues.get(self.topic)
        if self._is_busy or not self.is_up or not self._broker.is_up or not queue:
            return
        self._is_busy = True
        message = queue.popleft()
        self._kernel.after(self._rng.uniform(*self._delay), self._finish, message, self._life)

    def kill(self, token: str) -> None:
        """End it until `start` with the same token."""
        self.down_for.add(token)
        self._life += 1
        self._is_busy = False

    def start(self, token: str) -> None:
        """Take one reason to be down away."""
        self.down_for.discard(token)
        self.look()

    def _finish(self, message: Message, life: int) -> None:
        if life != self._life:
            # It was killed over this message: before its effect, or after it and before the acknowledgement.
            if self._rng.random() < 0.5:
                self._work(message)
            self._kernel.after(self.redelivers_late, self._broker.requeue, message)
            return
        self._work(message)
        self._is_busy = False
        if self._broker.is_up:
            self.look()
