"""The electorate's agents over oslo.messaging RPC: each witness is asked in parallel, and waited for together.

Waiting ends as soon as nobody who is still silent could change the tally: a witness that died with the host, or is cut
off, costs no time while a majority agrees. Answers are parsed by the contract; nonsense is a fault of that witness, and
no vote.
"""

import importlib
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from typing import Any, Final

import oslo_messaging
from oslo_config import cfg

from ceilo_gossip.contract import verdict as contract
from ceilo_gossip.contract.errors import ContractError
from ceilo_gossip.contract.messaging import EXCHANGE, RPC_TOPIC, RPC_VERSION
from ceilo_gossip.contract.networks import Network
from remediation.incident.confirm import Answer, Confirmation, is_decided

MAX_FAULT_LENGTH: Final = 200  # Of one witness's fault in an incident's reason.
# Asks one witness about one host: returns what its agent answered; raises MessagingException.
Ask = Callable[[str, str], Mapping[str, Any]]


class RpcAgents:
    """Asks `electorate`; see `ports.Agents`.

    ask_one   asks one witness about one host; given to `executor`, which must have a thread for each witness
    timeout   seconds after which those who did not answer count as silent
    """

    def __init__(
        self,
        electorate: Sequence[str],
        *,
        ask_one: Ask,
        executor: Executor,
        timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._electorate = tuple(electorate)
        self._ask_one = ask_one
        self._executor = executor
        self._timeout = timeout
        self._clock = clock

    def ask(self, host: str) -> Confirmation:
        """Return what each witness says about `host`."""
        deadline = self._clock() + self._timeout
        ballot = Ballot(self._electorate, host)
        asked = {self._executor.submit(self._answer, witness, host): witness for witness in self._electorate}
        pending: set[Future[Mapping[str, Any] | str]] = set(asked)
        while not ballot.is_over:
            done, pending = wait(pending, timeout=max(0.0, deadline - self._clock()), return_when=FIRST_COMPLETED)
            if not done:
                break
            for future in done:
                ballot.take(asked[future], future.result())
        for future in pending:
            future.cancel()  # One that has begun ends by its own timeout.
        return ballot.confirmation(self._timeout)

    def _answer(self, witness: str, host: str) -> Mapping[str, Any] | str:
        """Return the witness's reply, or the sentence that says why there is none."""
        try:
            return self._ask_one(witness, host)
        except oslo_messaging.MessagingException as error:
            return _one_line(error)


class Ballot:
    """The replies of the electorate about one host, as they come in; no clock, no thread."""

    def __init__(self, electorate: tuple[str, ...], host: str) -> None:
        self._electorate = electorate
        self._host = host
        self._answers: list[Answer] = []
        self._faults: dict[str, str] = {}

    def take(self, witness: str, reply: Mapping[str, Any] | str) -> None:
        """Take in what `witness` replied, or the sentence that says why it did not. Nonsense is a fault, no vote."""
        if isinstance(reply, str):
            self._faults[witness] = reply
            return
        try:
            self._answers.append(parse(reply, witness=witness, host=self._host))
        except ContractError as error:
            self._faults[witness] = f"answers nonsense: {_one_line(error)}"

    @property
    def is_over(self) -> bool:
        """Whether all have replied, or nobody who has not could change the tally."""
        is_everybody_heard = len(self._answers) + len(self._faults) >= len(self._electorate)
        return is_everybody_heard or is_decided(self._electorate, self._answers)

    def confirmation(self, waited: float) -> Confirmation:
        """Return what came in, and, unless it is decided, who was silent for the `waited` seconds."""
        faults = dict(self._faults)
        if not is_decided(self._electorate, self._answers):
            heard = {answer.witness for answer in self._answers} | set(faults)
            faults.update({name: f"silent for {waited:g} s" for name in self._electorate if name not in heard})
        return Confirmation(self._electorate, tuple(self._answers), faults)


def parse(reply: Mapping[str, Any], *, witness: str, host: str) -> Answer:
    """Return what `witness` said about `host`. Raises ContractError naming the field at fault.

    A witness that does not know the host answers without a verdict about it; that is an answer and no vote.
    """
    if not isinstance(reply, Mapping):
        raise ContractError("reply", f"must be a mapping, not {type(reply).__name__}")
    if reply.get("schema") != contract.SCHEMA_VERSION:
        raise ContractError("schema", f"version {str(reply.get('schema'))[:20]} is not understood")
    if reply.get("agent") != witness:
        raise ContractError("agent", f"{str(reply.get('agent'))[:60]!r} answered instead of {witness}")
    quorum = reply.get("quorum")
    if not isinstance(quorum, Mapping) or not all(isinstance(value, bool) for value in quorum.values()):
        raise ContractError("quorum", "must say true or false for each network")
    verdicts = reply.get("verdicts")
    if not isinstance(verdicts, list) or not all(isinstance(each, Mapping) for each in verdicts):
        raise ContractError("verdicts", "must be a list of verdicts")
    known = {network: bool(quorum.get(str(network), False)) for network in Network}
    for payload in verdicts:
        if payload.get("host") == host:
            return Answer(witness, dict(contract.from_payload(payload).networks), known)
    return Answer(witness, {}, known)


def rpc_ask(conf: cfg.ConfigOpts, *, timeout: float, url: str | None = None) -> Ask:
    """Return an `Ask` over the RPC transport of `conf`, or of `url`; nothing is sent yet."""
    _register_rpc_options(conf)
    # Its own exchange, as the agents'; must be set before the transport is made.
    oslo_messaging.set_transport_defaults(EXCHANGE)
    transport = oslo_messaging.get_rpc_transport(conf, url=url)
    target = oslo_messaging.Target(exchange=EXCHANGE, topic=RPC_TOPIC, version=RPC_VERSION)
    client: Any = oslo_messaging.get_rpc_client(transport, target)

    def ask_one(witness: str, host: str) -> Mapping[str, Any]:
        # No retry: who cannot be reached now is silent now, and is asked again in two seconds.
        prepared = client.prepare(server=witness, timeout=timeout, retry=0)
        reply: Mapping[str, Any] = prepared.call({}, "get_verdicts", hosts=[host])
        return reply

    return ask_one


def _register_rpc_options(conf: cfg.ConfigOpts) -> None:
    """Register what oslo.messaging's RPC reads from `conf` but registers on the global configuration only.

    Without them every call on a configuration of one's own fails with NoSuchOptError (seen with 18.3.1).
    """
    for name in ("oslo_messaging_tracing", "oslo_messaging_metrics"):
        module_name = f"oslo_messaging._{name.rpartition('_')[2]}.client"
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError:
            continue  # A release that has no such options needs none.
        conf.register_opts(getattr(module, name), group=name)


def _one_line(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:MAX_FAULT_LENGTH]
