"""`clef-sim run` and `clef-sim replay`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, TypeAlias

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

import scenarios
from clef_runtime.deploy.manifest import Manifest
from clef_runtime.errors import BadInput
from clef_sim.certify.certificates import refuse_unfit
from clef_sim.commands.measured import print_measured
from clef_sim.commands.output import BAD_INPUT, NOT_AS_EXPECTED, app_of, say, write_json
from clef_sim.commands.select import selector
from clef_sim.commands.verdicts import print_results
from clef_sim.emulated.backends import Backends, backends_for, not_emulated, ways_of, why_not
from clef_sim.kernel.decision_log import DecisionLog
from clef_sim.live.faults import why_not as why_not_live
from clef_sim.live.judged import HISTORY, live_job
from clef_sim.live.task import Crew
from clef_sim.prepared import Prepared, prepare
from clef_sim.replay import recorded_run
from clef_sim.replay import replay as replay_log
from clef_sim.reporting import junit, write_report
from clef_sim.results import RunResult, exit_code
from clef_sim.runner import Job, jobs_of, run_jobs
from clef_sim.scenario import find_scenarios

RUNS = "runs"
LINES = "results.jsonl"
WORLDS = ("model", "emulated", "live")

_World: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="WORLD",
        help="model; emulated: real services, started, in virtual time; live: real processes and clock, too.",
    ),
]
_Ways: TypeAlias = Annotated[
    list[str] | None, typer.Option("--way", help="How to get the real services; as `emulators up --way`.")
]


def run(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PATH]...", help="Scenario files and folders. [default: scenarios]"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The first seed.")] = 1,
    runs: Annotated[int, typer.Option(min=1, help="How many seeds, from the first one on.")] = 1,
    jobs: Annotated[int, typer.Option(min=0, help="Processes; 0 is one for each CPU.")] = 0,
    select: Annotated[str, typer.Option("-k", metavar="EXPR", help="Only runs whose name holds this.")] = "",
    json: Annotated[str, typer.Option(metavar="FILE", help="Write results as JSON; `-` for stdout.")] = "",
    junit_file: Annotated[str, typer.Option("--junit", metavar="FILE", help="Write results as JUnit XML.")] = "",
    report: Annotated[Path, typer.Option(metavar="DIR", help="Where the report goes.")] = Path("reports"),
    check_determinism: Annotated[
        bool, typer.Option("--check-determinism", help="Run each twice and name the first event that differs.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Leave out what the report folder already has.")] = False,
    world: _World = "model",
    way: _Ways = None,
    processes: Annotated[int | None, typer.Option(min=1, help="Live: of each function. [default: 2]")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Live: of each process. [default: 2]")] = None,
) -> None:
    """Run scenarios: the app's real runtime on simulated services, in virtual time.

    With --world emulated the services are real ones on this machine, started for it; time is virtual as before, and
    one run goes after another. Where the environment names an endpoint, tables and queues of the manifest's names are
    deleted there and made anew. With --world live the runtime runs in processes of its own, on the wall clock, and
    what happens is no seed's.

    Names that -k looks in: scenario, variant, topology, e.g. "orders and not aws-per-request".

    \b
    Exit codes: 0 as expected, 1 a verdict is not what the scenario expects, 2 the input is wrong and nothing
    ran, 3 undecided or not exercised.

    \b
    Examples:
      clef-sim run
      clef-sim run scenarios/hazards -k lease --runs 20
      clef-sim run my.yaml --seed 7 --json - --report out
      clef-sim run scenarios/suite -k orders --world emulated --way localstack --way dynamodb-local
    """
    _check_world(world, way, jobs)
    if world == "live" and check_determinism:
        raise BadInput("--check-determinism is for worlds of virtual time: no live run comes again")
    if world != "live" and (processes or threads):
        raise BadInput("--processes and --threads are for the live world; give --world live")
    prepared = _selected(paths, select)
    if world != "model":
        prepared = _fitting(world, prepared, way or ())
    _writable(report)
    for file in (json, junit_file):
        _check_folder(file)
    keep = report / RUNS
    done = _earlier(report / LINES, world) if resume else {}
    with _backends(world, [each.manifest for each in prepared], way or ()) as backends:
        todo = jobs_of(
            prepared,
            range(seed, seed + runs),
            keep=str(keep),
            check_determinism=check_determinism,
            backends=backends,
        )
        runs_of = (
            partial(_live, crew=Crew(processes or 2, threads or 2))
            if world == "live"
            else partial(run_jobs, workers=1 if backends is not None else jobs or os.cpu_count() or 1)
        )
        results = _run(todo, done, report / LINES, runs_of)
    if json:
        write_json(json, results)
    if junit_file:
        _write(Path(junit_file), junit(results))
    pages = write_report(report, results)
    if json != "-":
        print_results(results)
        print_measured(results)
        if world == "live":
            typer.echo(f"histories: {keep}/*{HISTORY}; clef-sim explain --log reads them")
        typer.echo(f"report: {pages[0]}")
    raise typer.Exit(exit_code(results))


def _check_world(world: str, way: Sequence[str] | None, jobs: int) -> None:
    if world not in WORLDS:
        raise BadInput(f"--world(={world!r}) must be one of {', '.join(WORLDS)}")
    if world == "model" and way:
        raise BadInput(f"--way {way[0]} is for worlds of real services; give --world emulated or live")
    if world != "model" and jobs > 1:
        raise BadInput(f"--jobs(={jobs}) must be 1 in the {world} world: its runs share the services")


def _fitting(world: str, prepared: Sequence[Prepared], ways: Sequence[str]) -> list[Prepared]:
    """Those that have a place in a world of real services; says of each of the others why it has none.

    Raises:
        BadInput: none has; in the live world, a service that is unfit for what one needs.
    """

    def lacks(each: Prepared, chosen: Mapping[str, str]) -> str:
        here = (
            partial(why_not_live, each.scenario.faults) if world == "live" else partial(not_emulated, each.manifest)
        )
        return why_not(each, chosen) or here()

    lacking = [(each, why) for each in prepared if (why := lacks(each, {}))]
    found = [each for each in prepared if not lacks(each, {})]
    chosen = ways_of(found, ways)
    lacking += [(each, why) for each in found if (why := lacks(each, chosen))]
    found = [each for each in found if not lacks(each, chosen)]
    for each in found if world == "live" else ():
        refuse_unfit(each.manifest, chosen)
    words = [f"not in this world: {each.name} on {each.template}: {why}" for each, why in lacking]
    if not found:
        raise BadInput("\n".join(words))
    for line in words:
        say(line)
    return found


@contextmanager
def _backends(world: str, manifests: Sequence[Manifest], ways: Sequence[str]) -> Iterator[Backends | None]:
    if world == "model":
        yield None
        return
    with backends_for(manifests, ways) as backends:
        yield backends


def _selected(paths: Sequence[Path] | None, select: str) -> list[Prepared]:
    found = find_scenarios(paths or [_default_path()])
    for scenario in found:
        app_of(scenario.app)
    test = selector(select)
    names = {f"{each.name} {each.template}": each for each in prepare(found)}
    chosen = [each for name, each in names.items() if test(name)]
    if not chosen:
        raise BadInput(f"-k {select!r} selects nothing; there are\n  " + "\n  ".join(names))
    return chosen


def _default_path() -> Path:
    here = Path("scenarios")
    return here if here.is_dir() else Path(scenarios.__path__[0])


def _writable(report: Path) -> None:
    try:
        (report / RUNS).mkdir(parents=True, exist_ok=True)
        probe = report / ".probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise BadInput(f"report(={str(report)!r}) cannot be written: {error.strerror or error}") from error


def _check_folder(file: str) -> None:
    """What is to be written at the end must have its place before anything runs."""
    if file and file != "-" and (Path(file).is_dir() or not Path(file).parent.is_dir()):
        raise BadInput(f"{file}: cannot be written; give a file in a folder that exists")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror or error}") from error


def _earlier(lines: Path, world: str) -> dict[tuple[str, str, int], RunResult]:
    """Results, in this world, of a run that was cut off; an incomplete last line is passed over."""
    found = {}
    for line in lines.read_bytes().splitlines() if lines.is_file() else ():
        try:
            result = msgspec.json.decode(line, type=RunResult)
        except msgspec.MsgspecError:
            continue
        if result.world == world:
            found[result.name, result.manifest, result.seed] = result
    return found


def _name_of(job: Job) -> tuple[str, str, int]:
    name = Path(job.file).stem + (f"/{job.variant}" if job.variant else "")
    return name, Path(job.topology).name.removesuffix(".deploy.yaml"), job.seed


def _live(jobs: Sequence[Job], crew: Crew) -> Iterator[RunResult]:
    for job in jobs:
        yield live_job(job, crew)


def _run(
    todo: Sequence[Job],
    done: dict[tuple[str, str, int], RunResult],
    lines: Path,
    runs_of: Callable[[Sequence[Job]], Iterator[RunResult]],
) -> list[RunResult]:
    """Runs what is not done, writes each result down as it comes, and returns all in their order."""
    results = {_name_of(job): done[_name_of(job)] for job in todo if _name_of(job) in done}
    left = [job for job in todo if _name_of(job) not in results]
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with (
        lines.open("ab" if done else "wb") as file,
        Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress,
    ):
        bar = progress.add_task("runs", total=len(todo), completed=len(results))
        for result in runs_of(left):
            results[result.name, result.manifest, result.seed] = result
            file.write(msgspec.json.encode(result) + b"\n")
            file.flush()
            progress.advance(bar)
    return [results[_name_of(job)] for job in todo if _name_of(job) in results]


def replay(
    log: Annotated[Path, typer.Argument(help="A decision log, as a run wrote it (*.decisions).")],
    json: Annotated[str, typer.Option(metavar="FILE", help="Write the result as JSON; `-` for stdout.")] = "",
    world: _World = "model",
    way: _Ways = None,
) -> None:
    """Run again exactly what a decision log recorded: the same draws in the same order, whatever the seeds do.

    Stops with a word where the code asks for another decision than was recorded. Exit code: as `run`; 1
    where the code diverges.

    \b
    Example:
      clef-sim replay reports/runs/orders-crash-once-aws-event-driven-1.decisions
    """
    _check_world(world, way, 1)
    manifests = [recorded_run(DecisionLog.load(log), log, world).manifest]
    with _backends(world, manifests, way or ()) as backends:
        found = replay_log(log, backends=backends)
    if found.result is None:
        say(f"{log}: {found.diverged}")
        raise typer.Exit(NOT_AS_EXPECTED)
    if found.changed:
        say(f"{log}: {found.changed}")
    if json:
        write_json(json, found.result)
    if json != "-":
        print_results([found.result])
    raise typer.Exit(exit_code([found.result]))


__all__ = ["BAD_INPUT", "replay", "run"]
