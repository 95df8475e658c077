"""Results as JUnit XML."""

from xml.etree.ElementTree import fromstring

from reported import ALL, HOSTILE, UNDECIDED, UNEXPECTED, VALID, lost, result

from clef_sim.reporting import junit


def test_junit_counts_failures_and_errors_in_all_and_by_suite() -> None:
    root = fromstring(junit(ALL))
    assert [root.attrib[name] for name in ("tests", "failures", "errors")] == ["5", "1", "1"]
    suites = {suite.attrib["name"]: suite.attrib for suite in root}
    assert suites["orders-crash"]["failures"] == "1"
    assert suites["orders-skew"]["errors"] == "1"
    assert (suites["hazard/once"]["failures"], suites["hazard/once"]["errors"]) == ("0", "0")


def test_junit_seeds_of_a_scenario_are_one_suite() -> None:
    (suite,) = fromstring(junit([VALID, result(seed=2)]))
    assert [case.attrib["name"] for case in suite] == ["aws-event-driven seed 1", "aws-event-driven seed 2"]


def test_junit_failure_holds_offence_and_replay() -> None:
    problem = fromstring(junit([UNEXPECTED])).find("*/testcase/failure")
    assert problem is not None
    assert problem.attrib["message"] == "not as expected: verdict invalid, expected valid"
    assert problem.text is not None
    assert problem.text.splitlines() == [
        f"no_lost_firing: invalid: lost: {HOSTILE}",
        "replay: clef-sim replay 'orders-crash.decisions'",
    ]


def test_junit_undecided_is_an_error_that_says_why() -> None:
    problem = fromstring(junit([UNDECIDED])).find("*/testcase/error")
    assert problem is not None
    assert "the crash never struck" in (problem.text or "")


def test_junit_control_characters_do_not_break_the_file() -> None:
    bad = result("a\x00b\ud800", manifest="m\x1b", checkers=(lost(1, "\x07\ufffe<&>"),))
    root = fromstring(junit([bad]).encode())
    assert root[0].attrib["name"] == "a?b?"


def test_junit_of_nothing_is_a_file() -> None:
    assert fromstring(junit([])).attrib["tests"] == "0"
