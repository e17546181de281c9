"""What pyghmi's texts mean, as seen with pyghmi 1.6.19."""

import pytest

from remediation.fencing.errors import Stage
from remediation.fencing.pyghmi_errors import explain


@pytest.mark.parametrize(
    ("stage", "kind", "text", "is_final", "words"),
    [
        (Stage.LOGIN, "IpmiException", "Incorrect password provided", True, "refused the password"),
        (Stage.LOGIN, "IpmiException", "Unauthorized name in RAKP2", True, "does not know the user"),
        (Stage.LOGIN, "IpmiException", "Unauthorized role or privilege level requested in RAKP2", True, "privilege"),
        (Stage.POWER_OFF, "IpmiException", "Insufficient privilege level", True, "OPERATOR"),
        (Stage.LOGIN, "IpmiException", "None", False, "did not answer"),
        (Stage.READ, "IpmiException", "timeout", False, "did not answer"),
        (Stage.READ, "IpmiException", "Session no longer connected", False, "did not answer"),
        (Stage.LOGIN, "IpmiException", "Insufficient resources to create new session (wait ...)", False, "resources"),
        (Stage.POWER_OFF, "IpmiException", "Node busy", False, "Node busy"),
        (Stage.READ, "struct.error", "unpack requires 4 bytes", False, "struct.error"),
    ],
)
def test_text_says_whether_trying_again_can_help(stage, kind, text, is_final, words):
    sentence, said_final = explain(stage, kind, text)

    assert said_final is is_final
    assert words in sentence
