"""Results as JUnit XML: a test case for each run."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from clef_sim.reporting.told import complaints_of, expected_words
from clef_sim.results import RunResult


def junit(results: Sequence[RunResult]) -> str:
    """One suite for each scenario. Not as expected is a failure, undecided an error."""
    root = Element("testsuites", name="clef-sim")
    suites: dict[str, Element] = {}
    for result in results:
        suite = suites.get(result.name)
        if suite is None:
            suite = suites[result.name] = SubElement(root, "testsuite", name=_printable(result.name))
        _case(suite, result)
    for element in (root, *suites.values()):
        cases = list(element.iter("testcase"))
        element.set("tests", str(len(cases)))
        element.set("failures", str(sum(case.find("failure") is not None for case in cases)))
        element.set("errors", str(sum(case.find("error") is not None for case in cases)))
        element.set("time", f"{sum(float(case.attrib['time']) for case in cases):.3f}")
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _case(suite: Element, result: RunResult) -> None:
    case = SubElement(
        suite,
        "testcase",
        classname=_printable(result.name),
        name=_printable(f"{result.manifest} seed {result.seed}" + _world(result)),
        time=f"{result.wall_s:.3f}",
    )
    if result.standing == "as expected":
        return
    expected = expected_words(result.expected)
    lines = [f"{each.checker}: {each.verdict}: {each.first}" for each in complaints_of(result)]
    problem = SubElement(
        case,
        "failure" if result.standing == "not as expected" else "error",
        message=_printable(f"{result.standing}: verdict {result.verdict}, expected {expected}"),
        type=result.verdict,
    )
    blame = [f"to blame: {result.blame}: {result.because}"] if result.blame else []
    problem.text = _printable("\n".join([*lines, *blame, f"replay: {result.replay}"]))


def _world(result: RunResult) -> str:
    return "" if result.world == "model" else f" in world {result.world_words}"


def _printable(text: str) -> str:
    """XML 1.0 has no place for most control characters, for lone surrogates and for two others."""
    return "".join(char if _allowed(ord(char)) else "?" for char in text)


def _allowed(code: int) -> bool:
    return code in (0x9, 0xA) or 0x20 <= code < 0xD800 or 0xE000 <= code < 0xFFFE or code > 0xFFFF
