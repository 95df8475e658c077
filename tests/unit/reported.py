"""Fabricated results for the tests of reports: one of each standing, with hostile strings in them."""

from clef_sim.checkers import Verdict
from clef_sim.flows import Span
from clef_sim.metrics import Metrics, Percentiles
from clef_sim.results import RunResult, WorstFlow, standing_of

HOSTILE = "<script>alert('x')</script> a|b `c` **d** [e](javascript:f)"

SPANS = (
    Span("client:1", "order", 10.0, 10.3, "request", "ok"),
    Span("web-1:1", f"Order/{HOSTILE}", 10.1, 10.2, "started", "ok"),
    Span("web-1:1", "dynamodb.PutItem", 10.15, 10.2, "sdk", "unknown"),
)


def result(name: str = "orders-steady", **changes) -> RunResult:
    """A run, valid and as expected unless `checkers` or `expected` say otherwise."""
    checkers = changes.pop("checkers", (Verdict("no_lost_firing", "valid"), Verdict("effects", "valid")))
    expected = changes.pop("expected", {})
    rank = ["valid", "not exercised", "unknown", "invalid"]
    verdict = max((each.verdict for each in checkers), key=rank.index)
    values = {
        "name": name,
        "shows": "What it shows.",
        "app": "orders",
        "topology": "C",
        "manifest": "aws-event-driven",
        "cloud": "aws",
        "guard": "lease",
        "delivery": "transactional",
        "seed": 1,
        "verdict": verdict,
        "expected": expected,
        "standing": standing_of(verdict, checkers, expected),
        "checkers": checkers,
        "metrics": metrics(lost=next((each.count for each in checkers if each.checker == "no_lost_firing"), 0)),
        "faults": {},
        "virtual_s": 60.0,
        "wall_s": 1.5,
        "history_digest": "d1",
        "replay": f"clef-sim replay '{name}.decisions'",
        "worst": WorstFlow("flow-1", SPANS),
    }
    return RunResult(**(values | changes))


def metrics(lost: int = 0, p50: float = 100.0) -> Metrics:
    return Metrics(
        flows=10,
        completions=40,
        invocations=40,
        firings=30,
        cold_starts=4,
        redeliveries=0,
        sdk_calls=400,
        sync_step_ms=Percentiles(p50, 2 * p50, 3 * p50, 4 * p50, 30),
        eager_chain_ms=Percentiles(3 * p50, 4 * p50, 5 * p50, 6 * p50, 10),
        duplicate_firings=0,
        lost_firings=lost,
    )


def lost(count: int, words: str = "the firing of ShipOrder was lost") -> Verdict:
    return Verdict("no_lost_firing", "invalid", count, words, (words, f"{words} again"), 30)


VALID = result()
UNEXPECTED = result("orders-crash", checkers=(lost(2, f"lost: {HOSTILE}"), Verdict("effects", "valid")), seed=7)
EXPECTED_LOSS = result(
    "hazard/once", guard="once", delivery="plain", checkers=(lost(3),), expected={"no_lost_firing": "invalid"}
)
HELD = result("hazard/lease", faults={"crash": 2})
UNDECIDED = result(
    "orders-skew",
    checkers=(Verdict("no_lost_firing", "valid"), Verdict("sometimes", "not exercised", 1, "the crash never struck")),
    faults={"crash": 0},
)
ALL = (VALID, UNEXPECTED, EXPECTED_LOSS, HELD, UNDECIDED)
