"""The commands as a user types them: what they print, and the exit code."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from clef_runtime.errors import BadInput
from clef_runtime.model import Completion, to_wire
from clef_sim import cli

SYNC = """\
sync Greet
when {
  User/register: [ name: ?name ] => ok(user: ?user)
}
then {
  Mail/send: [ to: ?user; text: "hello {{name}}" ]
}
"""
BROKEN = "sync Broken\nwhen {\n  User/register [ ] => [ ]\n}\nthen {\n  Mail/send: [ ]\n}\n"


def run(*args: object) -> Result:
    return CliRunner().invoke(cli.app, [str(arg) for arg in args])


def written(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.sync").write_text(text)
    return folder


def flow(path: Path, *completions: Completion) -> Path:
    lines = [json.dumps(to_wire(each)) for each in completions]
    invocation = {
        "id": "i",
        "concept": "urn:clef/User",
        "action": "register",
        "input": {},
        "flow": "f",
        "timestamp": "t",
    }
    edge = {"sync": "Greet", "matchedIds": ["c"], "invocationIds": ["i2"], "flow": "f"}
    path.write_text("\n".join([json.dumps(invocation), *lines, "", json.dumps(edge)]) + "\n")
    return path


def registered(variant: str = "ok") -> Completion:
    return Completion(
        id="c1",
        concept="urn:clef/User",
        action="register",
        input={"name": "Ada"},
        variant=variant,
        output={"user": "u1"},
        flow="f1",
        timestamp="2026-01-01T00:00:00.000Z",
    )


# ---- the whole


def test_version_is_shown() -> None:
    result = run("--version")
    assert (result.exit_code, result.stdout[:9]) == (0, "clef-sim ")


@pytest.mark.parametrize("command", [["plan"], ["explain"], ["syncs", "check"], ["syncs", "compile"]])
def test_help_of_each_command_has_examples(command: list[str]) -> None:
    result = run(*command, "--help")
    assert result.exit_code == 0
    assert f"clef-sim {' '.join(command)} " in result.stdout.partition("Examples:")[2]


@pytest.mark.parametrize(
    "args", [["plann"], ["plan"], ["plan", "--what"], ["syncs", "run"], ["explain", "--log", "x"]]
)
def test_wrong_usage_ends_in_2_with_words_on_stderr(args: list[str]) -> None:
    result = run(*args)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Usage:" in result.stderr


def test_interrupt_ends_in_130_with_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("clef_sim.commands.plan.load_manifest", interrupted)
    result = run("plan", "aws-event-driven")
    assert (result.exit_code, result.stderr) == (130, "stopped\n")


def test_bug_stays_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def buggy(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("clef_sim.commands.plan.load_manifest", buggy)
    assert isinstance(run("plan", "aws-event-driven").exception, ZeroDivisionError)


# ---- plan


def test_plan_shows_what_runs_where() -> None:
    result = run("plan", "aws-event-driven")
    assert result.exit_code == 0
    for words in ("option C, an engine behind a queue", "app-<concept>-invocations", "app-guard", "exactly once"):
        assert words in result.stdout
    assert "\x1b" not in result.stdout


def test_plan_of_an_app_names_its_functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kiosk_app.py").write_text(
        "from clef_runtime.app import App\n"
        "from clef_runtime.concept import Concept\n"
        "app = App('kiosk', [Concept('Till')], [])\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    target = tmp_path / "plan.json"
    result = run("plan", "aws-per-request", "--app", "kiosk_app", "--json", target)
    assert result.exit_code == 0
    assert "kiosk-till" in result.stdout
    assert [unit["name"] for unit in json.loads(target.read_text())["units"]] == ["kiosk-till"]


def test_plan_as_json_on_stdout_is_json_alone() -> None:
    assert json.loads(run("plan", "gcp-event-driven", "--json", "-").stdout)["cloud"] == "gcp"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["nothing-there"], "is no file and no template"),
        (["aws-event-driven", "--app", "no.such.module"], "does not import"),
        (["aws-event-driven", "--app", "json"], "must define `app = App(...)`"),
        (["aws-event-driven", "--json", "/nonexistent/x.json"], "json(='/nonexistent/x.json') cannot be written"),
    ],
)
def test_plan_of_wrong_input_ends_in_2_with_words(args: list[str], words: str) -> None:
    result = run("plan", *args)
    assert result.exit_code == 2
    assert words in result.stderr
    assert "Traceback" not in result.stderr


def test_plan_of_a_wrong_manifest_shows_every_error(tmp_path: Path) -> None:
    path = tmp_path / "x.deploy.yaml"
    path.write_text("cloud: azure\nruntimes:\n  c: { role: concepts, kind: lambda }\nstorage: { default: mysql }\n")
    result = run("plan", path)
    assert result.exit_code == 2
    assert f"{path}:1:1: cloud: cloud(='azure') must be one of aws, gcp\n" in result.stderr
    assert f"{path}:4:12: storage.default: default(='mysql') must be one of" in result.stderr


# ---- syncs


def test_syncs_compile_writes_the_exchange_form_of_all(tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    result = run("syncs", "compile", written(tmp_path, a=SYNC, b=SYNC.replace("Greet", "Again")), "--json", target)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "2 files, 2 syncs\n")
    greet, again = json.loads(target.read_text())
    assert (greet["name"], again["name"]) == ("Greet", "Again")
    assert greet["when"][0]["inputFields"] == [{"name": "name", "match": {"type": "variable", "name": "name"}}]


def test_syncs_compile_tells_of_broken_files_and_goes_on(tmp_path: Path) -> None:
    folder = written(tmp_path, a=BROKEN, b=SYNC, c=BROKEN)
    (tmp_path / "d.sync").write_bytes(b"sync \xff")
    result = run("syncs", "compile", folder, tmp_path / "none.sync")
    assert result.exit_code == 2
    assert [sync["name"] for sync in json.loads(result.stdout)] == ["Greet"]
    lines = result.stderr.splitlines()
    assert lines[0].startswith(f"{folder}/a.sync:3:")
    column = int(lines[0].split(":")[2])
    assert lines[1:3] == ["    User/register [ ] => [ ]", " " * (column + 1) + "^"]
    assert f"{folder}/c.sync:3:{column}: error: " in result.stderr
    assert f"{folder}/d.sync:1:6: error: " in result.stderr
    assert "none.sync') does not exist" in result.stderr
    assert lines[-1] == "5 files, 1 syncs; 4 broken"


def test_syncs_check_of_good_files_ends_in_0(tmp_path: Path) -> None:
    result = run("syncs", "check", written(tmp_path, a=SYNC))
    assert (result.exit_code, result.stderr) == (0, "0 errors, 0 warnings\n")


def test_syncs_check_finds_an_unknown_function_unless_the_app_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = SYNC.replace("then {", "where {\n  bind(shout(?name) as ?loud)\n}\nthen {").replace("{{name}}", "{{loud}}")
    (tmp_path / "loud_app.py").write_text(
        "from clef_runtime.app import App\n"
        "from clef_runtime.concept import Concept\n"
        "user, mail = Concept('User'), Concept('Mail')\n"
        "user.actions['register'] = mail.actions['send'] = None\n"
        "app = App('loud', [user, mail], [], functions={'shout': str.upper})\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    found = run("syncs", "check", written(tmp_path, a=text), "--json", "-")
    assert found.exit_code == 2
    assert "a.sync:6:8: error: unknown function `shout`" in found.stderr
    assert "\n    bind(shout(?name) as ?loud)\n         ^\n" in found.stderr
    assert [finding["line"] for finding in json.loads(found.stdout)] == [6]
    known = run("syncs", "check", tmp_path, "--app", "loud_app")
    assert (known.exit_code, known.stderr) == (0, "0 errors, 0 warnings\n")


# ---- explain


def test_explain_shows_what_a_match_would_fire(tmp_path: Path) -> None:
    log = flow(tmp_path / "flow.jsonl", registered())
    result = run("explain", "--syncs", written(tmp_path, a=SYNC), "--log", log)
    assert result.exit_code == 0
    assert result.stdout.startswith("flow f1\n\nsync Greet (")
    assert 'invokes Mail/send {"to":"u1","text":"hello Ada"}' in result.stdout


def test_explain_shows_what_was_missing(tmp_path: Path) -> None:
    log = flow(tmp_path / "flow.jsonl", registered("error"))
    result = run("explain", "--syncs", written(tmp_path, a=SYNC), "--log", log, "--sync", "Greet")
    assert result.exit_code == 0
    assert 'variant is "error", wanted "ok"' in result.stdout


def test_explain_as_json_has_the_verdict(tmp_path: Path) -> None:
    log = flow(tmp_path / "flow.jsonl", registered())
    result = run("explain", "--syncs", written(tmp_path, a=SYNC), "--log", log, "--json")
    (found,) = json.loads(result.stdout)
    assert (found["sync"], found["verdict"], found["matches"][0]["completions"]) == ("Greet", "fires", ["c1"])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{nope", "flow.jsonl:1: not JSON: "),
        ("[1]", "flow.jsonl:1: '[1]' is no record of an action log"),
        ('{"variant": "ok"}', "flow.jsonl:1: not a completion in wire form: Object missing required field `id`"),
    ],
)
def test_explain_of_a_wrong_log_names_the_line(tmp_path: Path, line: str, words: str) -> None:
    log = tmp_path / "flow.jsonl"
    log.write_text(line + "\n")
    result = run("explain", "--syncs", written(tmp_path, a=SYNC), "--log", log)
    assert result.exit_code == 2
    assert words in result.stderr


def test_explain_of_a_sync_that_is_not_there_suggests_one(tmp_path: Path) -> None:
    log = flow(tmp_path / "flow.jsonl", registered())
    result = run("explain", "--syncs", written(tmp_path, a=SYNC), "--log", log, "--sync", "Gret")
    assert result.exit_code == 2
    assert "did you mean `Greet`?" in result.stderr


def test_explain_without_a_log_or_with_broken_syncs_ends_in_2(tmp_path: Path) -> None:
    folder = written(tmp_path, a=BROKEN)
    assert run("explain", "--syncs", folder, "--log", tmp_path / "none.jsonl").exit_code == 2
    assert "a.sync:3:" in run("explain", "--syncs", folder, "--log", flow(tmp_path / "f.jsonl")).stderr


def test_errors_of_the_runtime_have_one_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*_: object) -> None:
        raise BadInput("[bold]no markup[/bold] is read here")

    monkeypatch.setattr("clef_sim.commands.plan.load_manifest", wrong)
    result = run("plan", "x")
    assert (result.exit_code, result.stderr) == (2, "[bold]no markup[/bold] is read here\n")
