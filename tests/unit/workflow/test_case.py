"""What a case remembers of the agents' answers: settle times of troubles that ended end too."""

from ceilo_gossip.contract.networks import Network, NetworkState
from remediation.incident.confirm import Tally
from remediation.store.store import Lease
from remediation.workflow.case import Case
from remediation.workflow.leases import Tenure
from tests.support.matrices import shipped_matrix


def test_stronger_row_ends_with_its_network_though_another_is_unknown() -> None:
    case = Case("i-1", "cmp-1", Tenure(Lease("i-1", None, 0), 0.0, 30.0), 0.0)
    case.row_since = {"storage-lost": 0.0, "management-lost": 0.0}
    states = {
        Network.MANAGEMENT: NetworkState.DOWN,
        Network.STORAGE: NetworkState.UP,
        Network.TUNNEL: NetworkState.UNKNOWN,
    }
    case.notice_look(Tally(states, "two of three"), shipped_matrix(), asked_at=5.0, counted_at=6.0)
    assert case.row_since == {"management-lost": 0.0}
