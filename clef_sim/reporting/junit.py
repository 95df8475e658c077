"""Results as JUnit XML: a test case for each run."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from clef_sim.results import RunResult


def junit(results: Sequence[RunResult]) -> str:
    """One suite for each scenario. Not as expected is a failure, undecided an error."""
    root = Element("testsuites", name="clef-sim")
    suites: dict[str, Element] = {}
    for result in results:
        suite = suites.get(result.name)
        if suite is None:
            suite = suites[result.name] = SubElement(root, "testsuite", name=result.name)
        case = SubElement(
            suite,
            "testcase",
            classname=result.name,
            name=f"{result.manifest} seed {result.seed}",
            time=f"{result.wall_s:.3f}",
        )
        if result.standing == "as expected":
            continue
        kind = "failure" if result.standing == "not as expected" else "error"
        words = "\n".join(f"{each.checker}: {each.verdict}: {each.first}" for each in result.offenders)
        problem = SubElement(case, kind, message=f"verdict {result.verdict}: {result.standing}")
        problem.text = _printable(f"{words}\nreplay: {result.replay}")
    for suite in suites.values():
        cases = list(suite)
        suite.set("tests", str(len(cases)))
        suite.set("failures", str(sum(case.find("failure") is not None for case in cases)))
        suite.set("errors", str(sum(case.find("error") is not None for case in cases)))
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _printable(text: str) -> str:
    """XML has no place for most control characters."""
    return "".join(char if char >= " " or char in "\n\t" else "?" for char in text)
