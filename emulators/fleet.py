"""Services that run: started together, found by their variables, emptied, stopped."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from emulators.catalogue import ENVIRONMENT, SERVICES, WAYS, choose, named
from emulators.processes import Launch, NotStarted, Place, Process, Starting, start_all, started_at, stop_all
from emulators.ways.base import Way

_SWITCHING = Path(__file__).parent / "ways" / "switching"
"""On the path of a Python server whose threads are to be switched often."""


class Running(msgspec.Struct, kw_only=True):
    """One process with the services that it serves, or services that are there already (`way` environment, no `pid`).

    `urls`: by service. `ready_s`: seconds from its start to its first answer. `pid` and `started`: its watcher's.
    """

    way: str
    urls: dict[str, str]
    port: int = 0
    folder: str = ""
    pid: int = 0
    started: str = ""
    ready_s: float = 0.0

    @property
    def endpoint(self) -> str:
        """The URL of its (first) service."""
        return next(iter(self.urls.values()))

    @property
    def env(self) -> dict[str, str]:
        """The variables that lead clients to it."""
        return env_of([self])

    def alive(self) -> bool:
        """Its watcher is there; of what was there already nothing is known."""
        return not self.pid or (bool(self.started) and started_at(self.pid) == self.started)

    def answers(self) -> bool:
        """Every service of it answers."""
        return self.alive() and all(
            SERVICES[name].answers_by(WAYS.get(self.way), url) for name, url in self.urls.items()
        )

    def empty(self) -> None:
        """Removes all that is in it. What was there already is left alone."""
        if self.way == ENVIRONMENT:
            return
        way = WAYS[self.way]
        if way.empty:
            way.empty(self.endpoint)
            return
        for name, url in self.urls.items():
            SERVICES[name].empty(url)


def env_of(running: Iterable[Running]) -> dict[str, str]:
    """The variables of all of them together. AWS_ENDPOINT_URL too, where all AWS services are in one place."""
    found: dict[str, str] = {}
    for each in running:
        for name, url in each.urls.items():
            found |= SERVICES[name].env(url)
    places = {url for name, url in found.items() if name.startswith("AWS_ENDPOINT_URL_")}
    if len(places) == 1:
        found["AWS_ENDPOINT_URL"] = places.pop()
    return found


class Fleet:
    """What `start` started. Leave it by `stop`, or `detach` to let it run on."""

    def __init__(self, members: list[Running], processes: list[Process]) -> None:
        self.members, self._processes = members, processes

    @property
    def env(self) -> dict[str, str]:
        return env_of(self.members)

    def __getitem__(self, service: str) -> Running:
        return next(each for each in self.members if service in each.urls)

    def empty(self) -> None:
        for each in self.members:
            each.empty()

    def detach(self) -> None:
        for process in self._processes:
            process.detach()

    def stop(self) -> None:
        stop_all(self._processes)


def start(
    services: Sequence[str],
    ways: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
    *,
    switch_interval_s: float = 0.0,
) -> Fleet:
    """Starts the services, each by the first way that is here (`choose`), and waits until all of them answer.

    Args:
        switch_interval_s: how often (seconds, > 0) the threads of a Python server are switched; 0: as usual. Of a
            server that is not Python's (`Way.python`), nothing changes.

    Raises:
        BadInput: as `choose`.
        NotStarted: one did not start or does not answer; then none is left running.
    """
    given = os.environ if environ is None else environ
    chosen = choose(services, ways, given)
    members = [_there(name, given) for name, way in chosen.items() if way == ENVIRONMENT]
    groups: dict[str, list[str]] = {}
    for name, way in chosen.items():
        if way != ENVIRONMENT:
            groups.setdefault(way, []).append(name)
    starting: list[Starting] = []
    try:
        for way, names in groups.items():
            starting.append(_starting(WAYS[way], names, switch_interval_s))
    except BaseException:
        stop_all(each.process for each in starting)
        raise
    start_all(starting)
    members += [_running(WAYS[way], groups[way], each) for way, each in zip(groups, starting, strict=True)]
    return Fleet(members, [each.process for each in starting])


@contextmanager
def running(*services: str, ways: Sequence[str] = ()) -> Iterator[Running]:
    """One service, or several that one process serves, for the length of a `with` block.

    with running("redis") as redis: redis.endpoint, redis.env

    Raises:
        as `start`.
    """
    fleet = start(services, ways)
    try:
        if len(fleet.members) != 1:
            raise NotStarted(f"{', '.join(services)} are not served by one process here; use start()")
        yield fleet.members[0]
    finally:
        fleet.stop()


def _there(name: str, environ: Mapping[str, str]) -> Running:
    variable, url = named(SERVICES[name], environ)
    if not SERVICES[name].answers(url):
        raise NotStarted(f"{name}: nothing answers at {variable}={url}; start it, or unset {variable}")
    return Running(way=ENVIRONMENT, urls={name: url})


def _starting(way: Way, names: Sequence[str], switch_interval_s: float) -> Starting:
    services = [SERVICES[name] for name in names]

    def answers(place: Place) -> bool:
        return place.folder.is_dir() and all(each.answers_by(way, each.url_at(way, place)) for each in services)

    def launch(place: Place) -> Launch:
        launch = way.launch(place)
        if not (switch_interval_s and way.python):
            return launch
        env = {"PYTHONPATH": str(_SWITCHING), "CLEF_SWITCH_INTERVAL_S": repr(switch_interval_s)}
        return msgspec.structs.replace(launch, env={**launch.env, **env})

    return Starting(way.name, launch, answers, timeout_s=way.timeout_s)


def _running(way: Way, names: Sequence[str], started: Starting) -> Running:
    process = started.process
    return Running(
        way=way.name,
        urls={name: SERVICES[name].url_at(way, process.place) for name in names},
        port=process.place.port if not way.url else 0,
        folder=str(process.place.folder),
        pid=process.pid,
        started=process.started,
        ready_s=round(started.ready_s, 2),
    )
