"""Which machine a BMC belongs to: the rules of `identity`, on the ladder and the fake driver."""

import pytest

from remediation.fencing.driver import FenceTarget, PowerState
from remediation.fencing.errors import FenceFailed, InventoryError, Stage
from remediation.fencing.fake import FakeDriver, no_answer
from remediation.fencing.identity import MemoryIdentities
from remediation.fencing.inventory import Inventory
from remediation.fencing.ladder import Ladder

ONE, OTHER = "4c4c4544-0042-3510-8052-b4c04f564431", "4c4c4544-0042-3510-8052-b4c04f564432"


def target(host, address="", **options):
    return FenceTarget(host, "fake", {"address": address or f"bmc-of-{host}", **options})


class Bench:
    """Hosts with a fake BMC each, the ladder over them, and what it remembers."""

    def __init__(self, *targets, memory=None):
        self.driver = FakeDriver()
        self.memory = memory or MemoryIdentities()
        self.inventory = Inventory("bmc.yaml", {one.host: (one,) for one in targets})
        self.ladder = Ladder(
            drivers={"fake": self.driver},
            order=["fake"],
            read_inventory=lambda: self.inventory,
            clock=lambda: 50.0,
            memory=self.memory,
        )

    def refusal(self, host):
        """Fence, and return the one reason why not; nothing may have been switched."""
        with pytest.raises(FenceFailed) as caught:
            self.ladder.fence(host, 10.0)
        assert self.driver.power.get(host, PowerState.ON) is PowerState.ON
        ((_, reason),) = caught.value.reasons
        assert caught.value.is_final is reason.is_final
        return reason


def test_host_is_fenced_when_its_bmc_says_what_the_inventory_says():
    bench = Bench(target("cmp-1", guid=ONE))
    bench.driver.guids["cmp-1"] = ONE

    bench.ladder.fence("cmp-1", 10.0)

    assert bench.driver.calls == [("fence", "cmp-1")]


def test_bmc_of_another_machine_than_the_inventory_says_switches_nothing():
    bench = Bench(target("cmp-1", guid=ONE))
    bench.driver.guids["cmp-1"] = OTHER

    assert bench.refusal("cmp-1").is_final


def test_what_was_learned_while_the_host_was_well_is_compared_from_then_on():
    bench = Bench(target("cmp-1"))
    bench.driver.guids["cmp-1"] = ONE

    assert bench.ladder.learn("cmp-1", 10.0) == (ONE,)

    # When the address leads to another machine from now on.
    bench.driver.guids["cmp-1"] = OTHER
    reason = bench.refusal("cmp-1")
    assert (reason.stage, reason.is_final) == (Stage.IDENTIFY, True)


def test_what_was_learned_outlives_the_ladder():
    memory = MemoryIdentities()
    first = Bench(target("cmp-1"), memory=memory)
    first.driver.guids["cmp-1"] = ONE
    first.ladder.learn("cmp-1", 10.0)

    second = Bench(target("cmp-1"))
    second.driver.guids["cmp-1"] = OTHER
    second.ladder = second.ladder.with_memory(memory)

    assert second.refusal("cmp-1").is_final


def test_first_that_was_learned_stays_and_a_change_is_told():
    bench = Bench(target("cmp-1"))
    bench.driver.guids["cmp-1"] = ONE
    bench.ladder.learn("cmp-1", 10.0)
    assert bench.ladder.learn("cmp-1", 10.0) == ()

    bench.driver.guids["cmp-1"] = OTHER
    with pytest.raises(FenceFailed):
        bench.ladder.learn("cmp-1", 10.0)

    assert bench.memory.read_identities() == [("cmp-1", "fake", "bmc-of-cmp-1", ONE)]


def test_replaced_machine_is_accepted_once_the_inventory_says_so():
    bench = Bench(target("cmp-1"))
    bench.driver.guids["cmp-1"] = ONE
    bench.ladder.learn("cmp-1", 10.0)

    bench.driver.guids["cmp-1"] = OTHER
    bench.inventory = Inventory("bmc.yaml", {"cmp-1": (target("cmp-1", guid=OTHER),)})

    assert bench.ladder.fence("cmp-1", 10.0).host == "cmp-1"


def test_bmc_that_says_off_while_the_host_is_well_is_another_hosts():
    bench = Bench(target("cmp-1"))
    bench.driver.guids["cmp-1"] = ONE
    bench.driver.power["cmp-1"] = PowerState.OFF

    with pytest.raises(FenceFailed, match="it is well") as caught:
        bench.ladder.learn("cmp-1", 10.0)

    assert caught.value.is_final
    assert bench.memory.read_identities() == []


def test_nothing_is_learned_from_silence():
    bench = Bench(target("cmp-1"))
    bench.driver.faults["cmp-1"] = [no_answer("cmp-1")]

    with pytest.raises(FenceFailed) as caught:
        bench.ladder.learn("cmp-1", 10.0)

    assert not caught.value.is_final
    assert bench.memory.read_identities() == []


def test_host_of_which_nothing_is_known_is_fenced_by_whatever_its_bmc_says():
    bench = Bench(target("cmp-1"))
    bench.driver.guids["cmp-1"] = ONE

    bench.ladder.fence("cmp-1", 10.0)

    # It was asked first, so that the GUID cannot change until the host is off.
    assert bench.driver.calls == [("read_guid", "cmp-1"), ("fence", "cmp-1")]
    assert bench.memory.read_identities() == []  # The host was not well.


def test_bmc_that_tells_nothing_is_used_as_it_is():
    bench = Bench(target("cmp-1"))

    assert bench.ladder.learn("cmp-1", 10.0) == ()
    assert bench.ladder.fence("cmp-1", 10.0).host == "cmp-1"


@pytest.mark.parametrize("is_learned", [True, False], ids=["learned", "in the inventory"])
def test_two_names_of_one_bmc_do_not_fence_the_other_host(is_learned):
    # Given cmp-2 whose entry leads, under another name, to the BMC of cmp-1.
    bench = Bench(target("cmp-1", **({} if is_learned else {"guid": ONE})), target("cmp-2", address="bmc-too"))
    bench.driver.guids.update({"cmp-1": ONE, "cmp-2": ONE})
    if is_learned:
        bench.ladder.learn("cmp-1", 10.0)

    reason = bench.refusal("cmp-2")

    assert reason.is_final
    assert ONE in reason.sentence
    assert "cmp-1" in reason.sentence
    with pytest.raises(FenceFailed):
        bench.ladder.learn("cmp-2", 10.0)
    assert bench.ladder.fence("cmp-1", 10.0).host == "cmp-1"


def test_one_guid_for_two_hosts_in_the_inventory_fences_neither():
    bench = Bench(target("cmp-1", guid=ONE), target("cmp-2", guid=ONE.upper()))
    bench.driver.guids.update({"cmp-1": ONE, "cmp-2": ONE})

    reason = bench.refusal("cmp-1")

    assert isinstance(reason, InventoryError)
    assert (reason.field, "cmp-2" in reason.sentence) == ("guid", True)


def test_unchecked_guid_is_neither_compared_nor_learned():
    bench = Bench(target("cmp-1", guid="unchecked"), target("cmp-2", guid="unchecked"))
    bench.driver.guids.update({"cmp-1": ONE, "cmp-2": ONE})

    assert bench.ladder.learn("cmp-1", 10.0) == ()
    assert bench.ladder.fence("cmp-2", 10.0).host == "cmp-2"
    assert bench.memory.read_identities() == []


def test_host_is_switched_on_by_its_own_bmc_only():
    bench = Bench(target("cmp-1", guid=ONE))
    bench.driver.guids["cmp-1"] = ONE
    bench.ladder.fence("cmp-1", 10.0)

    bench.ladder.power_on("cmp-1", 10.0)
    assert bench.driver.power["cmp-1"] is PowerState.ON

    bench.driver.guids["cmp-1"] = OTHER
    with pytest.raises(FenceFailed):
        bench.ladder.power_on("cmp-1", 10.0)
