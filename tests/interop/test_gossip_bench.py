"""The gossip bench, small: four hosts of each side, one kill, so that it still runs when somebody needs it."""

import json
from pathlib import Path

import pytest

from tests.bench import gossip

HOSTS = 4
ROUNDING = 0.05  # The longest suspicion-to-failure of four members is 4 s to the millisecond; reading takes some.


@pytest.mark.timeout(400)  # Seconds: a message bus, four of our agents and twelve of Serf's start, and are killed.
def test_bench_measures_both_sides_and_compares_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures, tables = tmp_path / "figures.json", tmp_path / "tables.inc"
    arguments = [f"--hosts={HOSTS}", "--idle=3", "--settle=2", "--soak=2", "--trials=1"]
    # The verdicts of so short a run mean nothing; that there is a table, and how it was come by, does.
    assert gossip.main([*arguments, f"--json={figures}", f"--rst={tables}"]) in (0, 1)
    assert "Targets" in capsys.readouterr().out
    assert ".. list-table:: Targets" in tables.read_text("utf-8")
    run = json.loads(figures.read_text("utf-8"))
    assert run["trouble"] is None
    for side in ("ours", "serf"):
        assert len(run["idle"][side]["memory"]) == HOSTS
        assert all(cost["datagrams"] > 1 and cost["sent"] > 100 for cost in run["idle"][side]["costs"])
        assert run["soak"][side]["seconds"] >= 2
        assert len(run["detections"][side]) == 3
        for seen in run["detections"][side]:
            assert seen["failed"] - seen["suspected"] >= 4.0 - ROUNDING
            assert seen["suspected"] <= seen["failed"] <= seen["known"]
        assert [spread["acks"] for spread in run["spreads"][side]] == [HOSTS] * 3
