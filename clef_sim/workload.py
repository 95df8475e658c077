"""What clients do: when requests come, and which. All draws are from the streams `arrivals` and `mix`."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

import msgspec

from clef_runtime.errors import BadInput
from clef_runtime.language.findings import did_you_mean
from clef_runtime.web import HttpRequest
from clef_sim.kernel.choices import Choices, Stream
from clef_sim.requests import RequestSet, Template
from clef_sim.scenario import Bursts, Fixed, Poisson, Ramp, Recorded, Workload


class Arrival(msgspec.Struct, frozen=True):
    """A request that comes at `at_s`, from the start of the workload."""

    at_s: float
    name: str
    request: HttpRequest


def arrivals(workload: Workload, requests: RequestSet, choices: Choices, folder: Path) -> Iterator[Arrival]:
    """The workload's requests in the order of their times.

    Args:
        folder: where the file of a recorded workload is looked for.

    Raises:
        BadInput: a template that the set does not have, a mix of nothing, a recorded log that cannot be read.
    """
    if isinstance(workload, Recorded):
        return iter(_recorded(workload, folder))
    mix = _Mix(workload.mix, requests, choices.stream("mix"))
    return (mix.next(at_s) for at_s in _times(workload, choices.stream("arrivals")))


def _times(workload: Fixed | Poisson | Bursts | Ramp, stream: Stream) -> Iterator[float]:
    if isinstance(workload, Fixed):
        yield from (number * workload.every_s for number in range(workload.count))
    elif isinstance(workload, Bursts):
        for number in range(workload.count):
            yield from [number * workload.every_s] * workload.size
    elif isinstance(workload, Poisson):
        at_s = stream.exponential(1.0 / workload.rate_per_s)
        while at_s < workload.duration_s:
            yield at_s
            at_s += stream.exponential(1.0 / workload.rate_per_s)
    else:
        yield from _ramp_times(workload, stream)


def _ramp_times(ramp: Ramp, stream: Stream) -> Iterator[float]:
    """Arrivals at rate 1 in the time of expected counts, brought back to seconds: exact, with no thinning."""
    slope = (ramp.to_per_s - ramp.from_per_s) / ramp.duration_s
    count = stream.exponential(1.0)
    while True:
        if abs(slope) < 1e-12:
            at_s = count / ramp.from_per_s if ramp.from_per_s else math.inf
        else:
            under_root = ramp.from_per_s**2 + 2.0 * slope * count
            at_s = (math.sqrt(under_root) - ramp.from_per_s) / slope if under_root >= 0.0 else math.inf
        if at_s >= ramp.duration_s:
            return
        yield at_s
        count += stream.exponential(1.0)


class _Mix:
    def __init__(self, weights: dict[str, float], requests: RequestSet, stream: Stream) -> None:
        chosen = {name: weight for name, weight in weights.items() if weight > 0} or (
            {} if weights else {each.name: each.weight for each in requests.templates if each.weight > 0}
        )
        known = {each.name: each for each in requests.templates}
        for name in weights:
            if name not in known:
                raise BadInput(
                    f"workload.mix: no request {name!r}{did_you_mean(name, known)}; there are {', '.join(known)}"
                )
        if not chosen:
            raise BadInput("workload.mix: every weight is 0; give at least one request a weight > 0")
        self._templates: list[Template] = [known[name] for name in chosen]
        self._edges = list(accumulate(chosen.values()))
        self._numbers = [0] * len(chosen)
        self._stream = stream

    def next(self, at_s: float) -> Arrival:
        place = 0
        if len(self._templates) > 1:
            place = bisect_right(self._edges, self._stream.uniform(0.0, self._edges[-1]))
            place = min(place, len(self._templates) - 1)
        number = self._numbers[place]
        self._numbers[place] += 1
        template = self._templates[place]
        return Arrival(at_s, template.name, template.at(number))


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    at_s: float
    method: str
    path: str
    headers: dict[str, str] = {}
    body: object = None


def _recorded(workload: Recorded, folder: Path) -> list[Arrival]:
    file = folder / workload.file
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"workload.file(={workload.file!r}) cannot be read: {error}") from error
    found: list[Arrival] = []
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        try:
            line = msgspec.json.decode(text, type=_Line)
        except msgspec.MsgspecError as error:
            raise BadInput(f"{file}:{number}: not a request of a recorded workload: {error}") from error
        if not 0.0 <= line.at_s < math.inf:
            raise BadInput(f"{file}:{number}: at_s(={line.at_s}) must be >= 0")
        path, _, query = line.path.partition("?")
        pairs = dict(pair.partition("=")[::2] for pair in query.split("&") if pair)
        headers = {name.lower(): value for name, value in line.headers.items()}
        request = HttpRequest(line.method, path, query=pairs, headers=headers, body=line.body)
        found.append(Arrival(line.at_s / workload.speed, f"{line.method} {path}", request))
    return sorted(found, key=lambda arrival: arrival.at_s)
