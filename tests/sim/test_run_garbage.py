"""A run leaves nothing for the cycle collector, which is held back while it runs."""

from __future__ import annotations

import gc

from benchmarks.simulator import completions_of, option_c_run
from clef_sim.kernel.garbage import THRESHOLDS, seldom_collected


def test_run_makes_no_cycles() -> None:
    run = option_c_run(orders=20, per_s=20.0)
    gc.collect()
    gc.disable()
    try:
        run.run()
        assert completions_of(run.world) > 150
        assert gc.collect() < 100  # modules that are imported late make a few
    finally:
        gc.enable()


def test_collector_is_as_before_after_the_run_even_where_it_fails() -> None:
    before = gc.get_threshold()
    try:
        with seldom_collected():
            assert gc.get_threshold() == THRESHOLDS
            raise KeyError
    except KeyError:
        pass
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
