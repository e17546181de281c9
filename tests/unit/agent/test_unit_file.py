"""What systemd does when the agent ends: the exit codes and the unit have to fit each other."""

import configparser
from pathlib import Path

UNIT = Path(__file__).resolve().parents[3] / "etc" / "systemd" / "ceilo-gossip-agent.service"


def test_agent_that_was_asked_to_leave_stays_away_and_one_that_broke_is_started_again() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.read(UNIT)
    service = unit["Service"]
    assert service["Restart"] == "on-failure", "exit code 0, after a leave, is no failure"
    assert service["RestartPreventExitStatus"] == "2", "a wrong configuration stays wrong"
    assert "RestartForceExitStatus" not in service


def test_directory_of_a_groups_socket_is_made() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.read(UNIT)
    assert unit["Service"]["RuntimeDirectory"] == "ceilo-gossip"
