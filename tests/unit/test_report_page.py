"""What a report says: order, words, counts."""

import msgspec
from reported import ALL, EXPECTED_LOSS, HELD, UNDECIDED, UNEXPECTED, VALID, lost, metrics, result

from clef_sim.checkers import Verdict
from clef_sim.metrics import Percentiles
from clef_sim.reporting.glance import glances_of
from clef_sim.reporting.latency import CLAIMS, bars_of, reading
from clef_sim.reporting.page import FAILURES_MAX, page_of
from clef_sim.reporting.rows import middle, rows_of
from clef_sim.reporting.told import expected_words, failures_of, losses_of


def test_headline_counts_each_standing() -> None:
    assert page_of(ALL).headline == "3 of 5 runs as expected, 1 not as expected, 1 undecided"


def test_headline_of_nothing_is_no_success_in_disguise() -> None:
    assert page_of([]).headline == "0 of 0 runs as expected"


def test_rows_sum_counts_and_take_the_median_of_percentiles() -> None:
    runs = [result(seed=seed, metrics=metrics(p50=p50)) for seed, p50 in ((1, 100), (2, 300), (3, 110))]
    (row,) = rows_of(runs)
    assert (row.runs, row.firings, row.cold, row.step.p50, row.chain.p95) == (3, 90, 12, 110, 440)


def test_rows_where_seeds_differ_show_the_worst_standing_and_each_verdict() -> None:
    runs = [result("x", seed=1), result("x", seed=2, checkers=(lost(1),))]
    (row,) = rows_of(runs)
    assert row.standing == "not as expected"
    assert row.verdict_words == "invalid 1, valid 1: no_lost_firing"


def test_middle_passes_over_runs_that_measured_nothing() -> None:
    measured = Percentiles(5, 6, 7, 8, 2)
    assert middle([Percentiles(), measured]) == measured
    assert middle([Percentiles()]) == Percentiles()


def test_failures_come_before_the_undecided() -> None:
    assert [each.result for each in failures_of(ALL)] == [UNEXPECTED, UNDECIDED]


def test_failure_names_only_the_checkers_that_were_not_as_expected() -> None:
    (failure,) = failures_of([UNEXPECTED])
    assert [(each.checker, each.verdict, each.count, each.expected) for each in failure.complaints] == [
        ("no_lost_firing", "invalid", 2, "valid")
    ]


def test_failure_to_lose_what_was_expected_is_told() -> None:
    run = result(checkers=(Verdict("no_lost_firing", "valid"),), expected={"no_lost_firing": "invalid"})
    (failure,) = failures_of([run])
    assert failure.expected == "no_lost_firing invalid, others valid"
    assert [(each.verdict, each.expected) for each in failure.complaints] == [("valid", "invalid")]


def test_expected_words_of_the_whole() -> None:
    assert expected_words({"*": "invalid"}) == "invalid"
    assert expected_words({}) == "valid"


def test_failures_beyond_the_limit_are_counted() -> None:
    runs = [result("x", seed=seed, checkers=(lost(1),)) for seed in range(FAILURES_MAX + 3)]
    page = page_of(runs)
    assert (len(page.failures), page.more_failures) == (FAILURES_MAX, 3)


def test_expected_loss_is_told_with_what_holds_instead() -> None:
    (loss,) = losses_of(ALL)
    assert (loss.name, loss.words, loss.held_by) == (
        "hazard/once",
        "as expected: lost 3 firings in 1 of 1 runs",
        ("lease",),
    )


def test_unexpected_loss_is_not_among_the_expected() -> None:
    assert losses_of([UNEXPECTED, VALID]) == []


def test_held_by_leaves_out_a_variant_that_once_lost() -> None:
    bad = result("hazard/lease", seed=2, checkers=(lost(1),))
    (loss,) = losses_of([EXPECTED_LOSS, HELD, bad])
    assert loss.held_by == ()


def test_glance_counts_lost_firings_and_leaves_the_undecided_out() -> None:
    glances = {(each.guard, each.delivery): each for each in glances_of(ALL)}
    once, lease = glances["once", "plain"], glances["lease", "transactional"]
    assert (once.once, once.runs, once.lost) == (0, 1, 3)
    assert (lease.once, lease.runs, lease.faulty, lease.lost) == (2, 3, 1, 2)


def test_bars_leave_out_runs_under_faults() -> None:
    assert "hazard/lease" not in {bar.name for bar in bars_of(rows_of(ALL))}
    assert {bar.name for bar in bars_of(rows_of([VALID, HELD]))} == {"orders-steady"}


def test_reading_judges_each_topology_by_its_claim() -> None:
    runs = [
        result(topology="A", manifest="a", metrics=metrics(p50=10)),
        result(topology="B", manifest="b", metrics=metrics(p50=100)),
        result(topology="C", manifest="c", metrics=metrics(p50=99)),
    ]
    words = reading(rows_of(runs))
    assert "on A an eager chain takes 30 ms at p50, within the claim of under 50 ms" in words
    assert "on B an eager chain takes 300 ms at p50, slower than the claim of under 150 ms" in words
    assert "on C a sync step takes 99 ms at p50, faster than the claim of 100 to 500 ms" in words


def test_reading_without_any_measure_says_so() -> None:
    assert reading(rows_of([HELD])) == "No run without faults measured a latency."


def test_claims_bounds_are_within() -> None:
    claim = CLAIMS["C"]
    assert [claim.judge(value) for value in (100, 500)] == ["within the claim"] * 2


def test_worst_flow_of_a_row_is_that_of_the_run_that_failed() -> None:
    good, bad = result("x", seed=1), result("x", seed=2, checkers=(lost(1),))
    (flow,) = page_of([good, bad]).flows
    assert "seed 2" in flow.about


def test_worst_flow_of_a_row_is_the_longest() -> None:
    spans = VALID.worst.spans
    slow = msgspec.structs.replace(spans[0], end=99.0)
    runs = [result(seed=1), result(seed=2, worst=msgspec.structs.replace(VALID.worst, spans=(slow,)))]
    (flow,) = page_of(runs).flows
    assert "seed 2: 89,000 ms" in flow.about
