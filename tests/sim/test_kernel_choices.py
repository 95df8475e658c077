"""Streams, the decision log, replay."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from clef_runtime.errors import BadInput
from clef_sim.kernel.choices import Choices, Diverged, Replay, Seeded
from clef_sim.kernel.clock import EPOCH_S, SimClock, SimIds
from clef_sim.kernel.decision_log import DecisionLog
from clef_sim.kernel.instance import Instance
from clef_sim.kernel.threads import Kernel


def draws(choices: Choices) -> list[float]:
    a, b = choices.stream("a"), choices.stream("b")
    return [a.draw(random.Random.random), b.below(10), b.chance(0.5), a.uniform(2, 3), a.lognormal(1.0, 0.5)]


def test_seeded_same_seed_draws_the_same_and_another_seed_others() -> None:
    assert draws(Seeded(1)) == draws(Seeded(1, record=False))
    assert draws(Seeded(1)) != draws(Seeded(2))


def test_seeded_streams_do_not_move_each_other() -> None:
    one, two = Seeded(1), Seeded(1)
    for _ in range(100):
        two.stream("fault").chance(0.5)
    assert [one.stream("arrivals").uniform(0, 1) for _ in range(5)] == [
        two.stream("arrivals").uniform(0, 1) for _ in range(5)
    ]


def test_seeded_known_draw_stays_what_it_was() -> None:
    # A change here means that every stored seed tells another story.
    assert Seeded(42).stream("arrivals").below(1_000_000) == 927_570


def test_replay_gives_the_recorded_draws_and_asks_no_sampler(tmp_path: Path) -> None:
    seeded = Seeded(7)
    drawn = draws(seeded)
    assert seeded.log is not None
    seeded.log.about["scenario"] = "orders/crash"
    seeded.log.save(tmp_path / "run.decisions")
    log = DecisionLog.load(tmp_path / "run.decisions")
    assert (log.seed, log.about, log.names) == (7, {"scenario": "orders/crash"}, ["a", "b"])
    replay = Replay(log)
    assert draws(replay) == drawn
    replay.check_finished()


def test_replay_of_changed_code_stops_at_the_first_other_decision() -> None:
    seeded = Seeded(7)
    seeded.stream("latency").uniform(0, 1)
    seeded.stream("fault").chance(0.5)
    assert seeded.log is not None
    replay = Replay(seeded.log)
    replay.stream("latency").uniform(0, 1)
    with pytest.raises(Diverged, match=r"decision 1: the log holds 'fault', the code asks for 'ids'"):
        replay.stream("ids").below(5)
    replay.stream("fault").chance(0.5)
    with pytest.raises(Diverged, match=r"decision 2: the log ends here, the code asks for 'fault'"):
        replay.stream("fault").chance(0.5)


def test_replay_of_code_that_asks_for_less_says_so_at_the_end() -> None:
    seeded = Seeded(7)
    draws(seeded)
    assert seeded.log is not None
    with pytest.raises(Diverged, match=r"decision 0: the log holds 'a', the run has ended"):
        Replay(seeded.log).check_finished()


def test_diverged_passes_a_handlers_except_exception_and_comes_out_of_run() -> None:
    kernel, replay = Kernel(), Replay(DecisionLog(seed=1))

    def handler() -> None:
        try:
            replay.stream("x").chance(0.5)
        except Exception:
            pytest.fail("swallowed")

    kernel.spawn(handler, who="a")
    with pytest.raises(Diverged):
        kernel.run()


@pytest.mark.parametrize("cut", ["missing", "empty", "other", "header", "body", "short", "version"])
def test_load_of_a_damaged_log_is_bad_input(tmp_path: Path, cut: str) -> None:
    path = tmp_path / "run.decisions"
    seeded = Seeded(7)
    draws(seeded)
    assert seeded.log is not None
    seeded.log.save(path)
    whole = path.read_bytes()
    damaged = {
        "empty": b"",
        "other": b"PK\x03\x04",
        "header": whole.replace(b'"seed":7', b'"seed":x'),
        "body": whole[:-4],
        "short": whole.replace(b'"count":5', b'"count":6'),
        "version": whole.replace(b'"version":1', b'"version":2'),
    }
    path.unlink()
    if cut != "missing":
        path.write_bytes(damaged[cut])
    with pytest.raises(BadInput, match=r"run\.decisions"):
        DecisionLog.load(path)


def test_below_outside_of_its_range_is_refused() -> None:
    with pytest.raises(BadInput, match=r"n\(=0\)"):
        Seeded(1).stream("a").below(0)


def test_clock_shows_virtual_time_and_skew() -> None:
    kernel, instance = Kernel(), Instance("i1", skew_s=5.0)
    fair, skewed = SimClock(kernel), SimClock(kernel, -1.0, instance)
    seen: list[float] = []
    kernel.spawn(
        lambda: (
            fair.sleep(2.5),
            seen.extend([fair.now(), fair.monotonic(), skewed.now(), skewed.monotonic()]),
        ),
        who="a",
    )
    kernel.run()
    assert seen == [EPOCH_S + 2.5, 2.5, EPOCH_S + 6.5, 2.5]


def test_ids_are_distinct_and_equal_for_equal_seeds() -> None:
    first, second = SimIds(Seeded(1)), SimIds(Seeded(1))
    made = [first.new() for _ in range(1000)]
    assert len(set(made)) == 1000
    assert made == [second.new() for _ in range(1000)]
    assert made != sorted(made)
