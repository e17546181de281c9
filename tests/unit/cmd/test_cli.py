"""The operator's command, asking a served fake agent: what it prints, and how it ends."""

import json
import pathlib
from collections.abc import Callable
from typing import Any

import pytest

from ceilo_gossip.cmd import cli
from ceilo_gossip.cmd.cli import output, parser
from ceilo_gossip.contract.networks import Network
from ceilo_gossip.control.requests import (
    AskRequest,
    EventRequest,
    ForceLeaveRequest,
    Kind,
    MembersRequest,
    MonitorRequest,
)
from ceilo_gossip.control.source import End, RefusalError
from tests.support.served_agent import Served, lines

QUORUM = {"management": "held", "storage": "held", "tunnel": "resting"}
MEMBER: dict[str, Any] = {
    "network": "storage",
    "host": "cmp-1",
    "address": "192.0.2.21:7946",
    "state": "alive",
    "for_seconds": 7500.0,
    "answered_seconds_ago": 1.5,
    "round_trip_ms": 0.41,
    "incarnation": 3,
    "tags": {"role": "compute", "version": "1"},
}
ROW: dict[str, Any] = {
    "host": "cmp-1",
    "role": "compute",
    "networks": {"management": "up", "storage": "suspect", "tunnel": "down"},
    "for_seconds": 3.2,
    "reason": "because",
    "verdict_id": "run-1",
    "is_spoken_for": True,
}
POOL: dict[str, Any] = {
    "address": "192.0.2.11:7946",
    "alive": 3,
    "known": 4,
    "awareness": 0,
    "quorum": "held",
    "counters": {"refutations": 2, "idle": 0},
    "keys": ["11111111", "22222222"],
    "protocols": {"memberlist": 2, "serf": 5},
    "queues": {"claims": 4},
    "lamport_times": {"members": 9},
    "network_errors": {},
}


# Every verb.


def test_json_is_the_agents_answer(served: Served) -> None:
    assert json.loads(served.printed("info", "-f", "json")) == {"agent": "ctl-1"}


def test_members_table_has_units_and_a_sum(served: Served) -> None:
    away = MEMBER | {"host": "cmp-2", "state": "failed", "for_seconds": 12.0, "round_trip_ms": None, "tags": {}}
    served.source.answers["members"] = {"agent": "ctl-1", "members": [MEMBER, away]}
    out = served.printed("members", "--network", "storage")
    assert served.source.asked == [MembersRequest(networks=(Network.STORAGE,))]
    table = lines(out)
    assert ["storage", "cmp-1", "192.0.2.21:7946", "alive", "2 h 5 min", "0.41 ms", "compute"] in table
    assert ["storage", "cmp-2", "192.0.2.21:7946", "failed", "12 s", "", ""] in table
    assert "storage: 1 alive, 1 failed" in out


def test_detailed_members_have_every_tag(served: Served) -> None:
    served.source.answers["members"] = {"agent": "ctl-1", "members": [MEMBER]}
    out = served.printed("members", "--detailed")
    for text in ("role=compute version=1", "1.5 s ago", "3"):
        assert text in out


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ([], ["a", "b", "c"]),
        (["--status", "alive"], ["a"]),
        (["--status", "failed,left"], ["b", "c"]),
        (["--status", "dead"], ["b"]),
        (["--status", "(fail.*|alive)"], ["a", "b"]),
        (["--name", "a|c"], ["a", "c"]),
        (["--name", "[ab"[1:]], []),
        (["--tag", "role=comp"], []),
        (["--tag", "role=comp.*", "--tag", "rack=r1"], ["a"]),
        (["--tag", "absent="], ["a", "b", "c"]),
    ],
)
def test_members_are_chosen_by_state_name_and_tags(served: Served, options: list[str], found: list[str]) -> None:
    served.source.answers["members"] = {
        "agent": "ctl-1",
        "members": [
            MEMBER | {"host": "a", "tags": {"role": "compute", "rack": "r1"}},
            MEMBER | {"host": "b", "state": "failed", "tags": {"role": "compute", "rack": "r2"}},
            MEMBER | {"host": "c", "state": "left", "tags": {}},
        ],
    }
    answer = json.loads(served.printed("members", "-f", "json", *options))
    assert [member["host"] for member in answer["members"]] == found


def test_no_member_that_matches_is_said_and_is_no_empty_table(served: Served) -> None:
    served.source.answers["members"] = {"agent": "ctl-1", "members": [MEMBER]}
    assert served.run("members", "--name", "x") == (0, "", "ceilo-gossip: none of 1 member matches\n")


@pytest.mark.parametrize("name", ["verdict", "verdicts"])
def test_verdict_table_shows_each_network(served: Served, name: str) -> None:
    served.source.answers["verdict"] = {"agent": "ctl-1", "quorum": QUORUM, "hosts": [ROW]}
    out = served.printed(name)
    assert ["cmp-1 *", "compute", "up", "suspect", "down", "3.2 s", "because"] in lines(out)
    assert "quorum: management held, storage held, tunnel resting" in out
    assert "* this agent speaks for the host" in out


def test_verdict_on_a_host_shows_the_evidence(served: Served) -> None:
    evidence = {
        "storage": {"why": "doubted", "is_open": True, "member": MEMBER | {"state": "suspect"}},
        "tunnel": {"why": "not seen there yet", "is_open": False, "member": None},
    }
    details = {"speakers": ["ctl-1", "ctl-2"], "suspected_seconds_ago": 4.0, "boot_id": "b", "evidence": evidence}
    served.source.answers["verdict"] = {"agent": "ctl-1", "quorum": QUORUM, "host": ROW | details}
    table = lines(served.printed("verdict", "cmp-1"))
    assert ["spoken for by", "ctl-1, ctl-2"] in table
    assert ["verdict", "management up storage suspect tunnel down"] in table
    assert ["first suspected", "4.0 s ago"] in table
    storage = ["storage", "suspect", "suspect", "2 h 5 min", "1.5 s ago", "0.41 ms", "192.0.2.21:7946"]
    assert [*storage, "doubted (still open)"] in table
    assert ["tunnel", "down", "absent", "", "", "", "", "not seen there yet"] in table


def test_info_shows_keys_queues_and_counters(served: Served) -> None:
    served.source.answers["info"] = {
        "agent": "ctl-1",
        "version": "1.2",
        "role": "controller",
        "boot_id": "b",
        "is_encrypted": True,
        "witnesses": ["ctl-1"],
        "outbox": {"waiting": 3},
        "control": {},
        "ignored_hosts": 0,
        "pools": {"storage": POOL},
    }
    table = lines(served.printed("info"))
    for row in (
        ["members", "3 of 4 alive"],
        ["keys", "11111111 (primary), 22222222"],
        ["queued messages", "claims 4"],
        ["counters", "refutations 2"],
        ["outbox", "waiting 3"],
        ["network errors", "none"],
    ):
        assert row in table


def test_round_trip_is_shown_for_each_network(served: Served) -> None:
    networks = {
        "storage": {"estimated_ms": 0.456, "measured_ms": 0.4},
        "tunnel": {"estimated_ms": None, "measured_ms": None},
    }
    served.source.answers["round_trip"] = {"agent": "a", "from": "a", "to": "b", "networks": networks}
    table = lines(served.printed("rtt", "a", "b"))
    assert ["storage", "0.46 ms", "0.40 ms"] in table and ["tunnel", "unknown", ""] in table


def test_round_trip_that_nobody_knows_is_exit_code_1(served: Served) -> None:
    networks = {"storage": {"estimated_ms": None, "measured_ms": None}}
    served.source.answers["round_trip"] = {"agent": "a", "from": "a", "to": "b", "networks": networks}
    code, _, err = served.run("rtt", "b")
    assert code == 1 and "no coordinate yet" in err


def test_event_is_sent_byte_for_byte(served: Served) -> None:
    served.source.answers["event"] = {"network": "tunnel", "ltime": 5}
    assert served.printed("event", "deploy", "é\udcff", "--network", "tunnel") == "sent on tunnel, at Lamport time 5\n"
    (asked,) = served.source.asked
    assert asked == EventRequest(name="deploy", payload=b"\xc3\xa9\xff", network=Network.TUNNEL, coalesce=True)


def test_query_shows_acks_and_answers_as_lines(served: Served) -> None:
    served.source.parts["query"] = [
        {"kind": "ack", "member": "cmp-1", "after_ms": 12.34},
        {"kind": "answer", "member": "cmp-1", "after_ms": 13.0, "payload": "up 3 days", "payload_base64": ""},
        {"kind": "answer", "member": "cmp-2", "after_ms": 14.0, "payload": None, "payload_base64": "/w=="},
        End({"network": "management", "acks": 1, "answers": 2, "living": 3, "seconds": 6.4}),
    ]
    out = served.printed(
        "query", "uptime", "--member", "cmp-1", "--tag", "role=^c", "--timeout", "3", "--relay-factor=1"
    )
    assert served.source.asked == [
        AskRequest(name="uptime", members=("cmp-1",), tags=(("role", "^c"),), timeout=3.0, relay_factor=1)
    ]
    printed = out.splitlines()
    assert printed[0].split() == ["ack", "cmp-1", "12.3", "ms"]
    assert printed[1].split(maxsplit=4) == ["answer", "cmp-1", "13.0", "ms", "up 3 days"]
    assert printed[2].endswith("base64:/w==")
    assert printed[3] == "management: 1 ack and 2 answers in 6.4 s; 3 members alive"


def test_query_as_json_is_one_object_on_each_line(served: Served) -> None:
    end = {"network": "management", "acks": 1, "answers": 0, "living": 3, "seconds": 6.4}
    served.source.parts["query"] = [{"kind": "ack", "member": "cmp-1", "after_ms": 1.0}, End(end)]
    printed = [json.loads(line) for line in served.printed("query", "q", "-f", "json", "--no-ack").splitlines()]
    assert printed == [{"kind": "ack", "member": "cmp-1", "after_ms": 1.0}, {"kind": "end", **end}]


def test_reachability_of_all_is_exit_code_0(served: Served) -> None:
    found = {"known": 4, "living": 3, "acked": 3, "silent": [], "unexpected": {}}
    served.source.answers["reachability"] = {"agent": "ctl-1", "networks": {"storage": found}}
    out = served.printed("reachability")
    assert ["storage", "4", "3", "3 of 3", "all who are alive"] in lines(out)


def test_reachability_with_gaps_names_them_and_says_where_to_look(served: Served) -> None:
    found = {"known": 4, "living": 3, "acked": 2, "silent": ["cmp-1"], "unexpected": {"cmp-9": "failed"}}
    served.source.answers["reachability"] = {"agent": "ctl-1", "networks": {"storage": found}}
    code, out, _ = served.run("reachability")
    assert code == 1
    assert "storage: no answer from cmp-1" in out and "an answer from cmp-9 (failed)" in out
    assert "UDP to it or from it is lost" in out and "two hosts bear its name" in out
    code, out, _ = served.run("reachability", "-f", "json")
    assert (code, json.loads(out)["is_well"]) == (1, False)


def test_monitor_prints_what_happens_and_ends_with_1_when_the_agent_does(served: Served) -> None:
    at = "2026-01-31T12:00:00.123+00:00"
    served.source.parts["monitor"] = [
        {"at": at, "kind": "begin", "agent": "ctl-1"},
        {"at": at, "kind": "member-suspect", "network": "storage", "host": "cmp-1", "by": "cmp-2"},
        {
            "at": at,
            "kind": "verdict",
            "host": "cmp-1",
            "networks": {"management": "up", "storage": "down", "tunnel": "up"},
            "before": None,
            "reason": "no answer",
        },
        {"at": at, "kind": "verdict", "host": "cmp-1", "network": "storage", "reason": "called left"},
        {"at": at, "kind": "quorum", "network": "tunnel", "before": "held", "after": "lost"},
        {"at": at, "kind": "user", "network": "tunnel", "name": "deploy", "payload": "1", "ltime": 3},
        {"at": at, "kind": "query", "network": "tunnel", "name": "q", "payload": "", "by": "ctl-2"},
        {"at": at, "kind": "keyring", "network": "tunnel", "name": "use-key", "by": "ctl-2", "keys": ["12345678"]},
        {"at": at, "kind": "conflict", "network": "tunnel", "text": "192.0.2.9:7946 uses this host's name as well"},
        {"at": at, "kind": "member-failed", "network": "storage", "host": "cmp-1"},
        End({"reason": "the agent ends"}),
    ]
    code, out, err = served.run("monitor", "--network", "storage", "--kind", "verdict")
    assert served.source.asked == [MonitorRequest(networks=(Network.STORAGE,), kinds=frozenset({Kind.VERDICT}))]
    assert (code, err) == (1, "ceilo-gossip: the agent ends\n")
    words = [line.split()[1:] for line in out.splitlines()]
    assert words[1] == ["storage", "member-suspect", "cmp-1,", "doubted", "by", "cmp-2"]
    assert words[2] == ["verdict", "cmp-1", "management", "up", "storage", "down", "tunnel", "up", "no", "answer"]
    assert words[4] == ["tunnel", "quorum", "held", "->", "lost"]
    assert all(line.split()[0].endswith(":00.123") for line in out.splitlines())


def test_monitor_that_is_interrupted_is_exit_code_0(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    served.source.parts["monitor"] = [{"at": "2026-01-31T12:00:00+00:00", "kind": "begin", "agent": "ctl-1"}]

    def interrupted(item: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(output, "print_json_line", interrupted)
    assert served.run("monitor", "-f", "json")[0] == 0


def test_leave_asks_nobody_without_a_terminal_and_does_it_when_told_yes(served: Served) -> None:
    code, _, err = served.run("leave")
    assert code == 2 and "give --yes" in err and served.source.asked == []
    served.source.parts["leave"] = [{"network": "storage"}, End({"missing": []})]
    out = served.printed("leave", "--yes")
    assert "left storage" in out and "systemctl start ceilo-gossip-agent" in out


@pytest.mark.parametrize(("said", "asked"), [("y\n", 1), ("n\n", 0), ("\n", 0)])
def test_leave_is_asked_about_on_a_terminal(
    served: Served, monkeypatch: pytest.MonkeyPatch, said: str, asked: int
) -> None:
    served.source.parts["leave"] = [End({"missing": []})]
    monkeypatch.setattr("ceilo_gossip.cmd.cli.leaving.sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda prompt: said.strip())
    code, out, _ = served.run("leave")
    assert len(served.source.asked) == asked and code == (0 if asked else 1)
    assert "its instances are not rebuilt elsewhere" in out


def test_leave_that_may_not_have_been_heard_is_exit_code_1(served: Served) -> None:
    served.source.parts["leave"] = [End({"missing": ["storage"]})]
    code, _, err = served.run("leave", "--yes")
    assert code == 1 and "the good-bye on storage may not have been heard" in err


def test_force_leave_says_that_the_verdict_stays(served: Served) -> None:
    served.source.answers["force_leave"] = {"host": "cmp-1", "networks": {"storage": True, "tunnel": False}}
    code, out, err = served.run("force-leave", "cmp-1", "--prune", "--network", "storage", "--network", "tunnel")
    networks = (Network.STORAGE, Network.TUNNEL)
    assert served.source.asked == [ForceLeaveRequest(host="cmp-1", networks=networks, prune=True)]
    assert code == 0 and "storage: forgotten" in out and "tunnel: had not failed there" in out
    assert "the verdict on cmp-1 does not change" in err


# How it ends, and what it never does.


def test_agent_that_is_not_there_is_exit_code_1(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["members", "--socket", str(tmp_path / "absent")]) == 1
    assert capsys.readouterr().err.startswith("ceilo-gossip: no agent serves")


def test_refusal_of_the_agent_is_exit_code_1_with_its_sentence(served: Served) -> None:
    served.source.answers["verdict"] = RefusalError("nothing is known about x; look there")
    assert served.run("verdict", "x") == (1, "", "ceilo-gossip: nothing is known about x; look there\n")


@pytest.mark.parametrize(
    "words",
    [
        ["fence"],
        [],
        ["members", "--network", "lan"],
        ["rtt"],
        ["keys"],
        ["keys", "burn"],
        ["query"],
        ["query", "q", "--timeout", "soon"],
        ["monitor", "--kind", "death"],
        ["force-leave"],
    ],
)
def test_arguments_that_argparse_refuses_are_exit_code_2(words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(words)
    assert caught.value.code == 2


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["members", "--name", "("], "--name: ( is no regular expression"),
        (["members", "--status", "("], "--status: ( is no regular expression"),
        (["members", "--tag", "role"], "give KEY=REGEX"),
        (["query", "q", "--tag", "role="], "give KEY=REGEX"),
    ],
)
def test_arguments_that_a_verb_refuses_are_exit_code_2(served: Served, words: list[str], error: str) -> None:
    code, _, err = served.run(*words)
    assert code == 2 and error in err


def test_names_from_elsewhere_cannot_steer_the_terminal(served: Served) -> None:
    evil = MEMBER | {"host": "\x1b[2Jcmp\r\n[red]", "tags": {"role": "\x9b31m\u202e"}}
    served.source.answers["members"] = {"agent": "ctl-1", "members": [evil]}
    for words in (["members"], ["members", "--detailed"]):
        out = served.printed(*words)
        assert "\\x1b[2Jcmp\\r\\n[red]" in out and "\\x9b31m\\u202e" in out
        assert all(c.isprintable() or c == "\n" for c in out)


def test_payloads_from_elsewhere_cannot_steer_the_terminal(served: Served) -> None:
    at = "2026-01-31T12:00:00+00:00"
    served.source.parts["monitor"] = [
        {"at": at, "kind": "user", "network": "tunnel", "name": "\x07", "payload": "\x1b]0;x\n", "ltime": 3}
    ]
    _, out, _ = served.run("monitor")
    assert "\\x07  \\x1b]0;x\\n" in out


def test_socket_is_named_by_the_environment_or_found(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parser, "SOCKETS", (tmp_path / "run.sock", tmp_path / "var.sock"))
    monkeypatch.delenv("CEILO_GOSSIP_SOCKET", raising=False)
    find: Callable[[], pathlib.Path] = lambda: parser.parse(["info"]).socket  # noqa: E731
    assert find() == tmp_path / "var.sock"
    (tmp_path / "run.sock").touch()
    assert find() == tmp_path / "run.sock"
    monkeypatch.setenv("CEILO_GOSSIP_SOCKET", "/elsewhere")
    assert find() == pathlib.Path("/elsewhere")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (10.2, "10 s"),
        (119.4, "119 s"),
        (125, "2 min 5 s"),
        (3600, "1 h 0 min"),
        (90061, "1 d 1 h"),
    ],
)
def test_lengths_of_time_are_readable(seconds: float | None, text: str) -> None:
    assert output.duration(seconds) == text
