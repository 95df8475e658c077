"""The table on the terminal."""

import re

import pytest
from reported import ALL, EXPECTED_LOSS, UNEXPECTED, VALID, result

from clef_sim.commands import verdicts
from clef_sim.commands.verdicts import print_results


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch):
    """Makes stdout a terminal without colours of so many columns."""

    def of(columns: int) -> None:
        console = verdicts.Console
        monkeypatch.setattr(
            verdicts,
            "Console",
            lambda **given: console(**(given | {"width": columns, "force_terminal": True, "no_color": True})),
        )

    return of


def test_terminal_without_one_is_plain_and_wide(capsys) -> None:
    print_results(ALL)
    text = capsys.readouterr().out
    assert "\x1b" not in text
    head = text.splitlines()[0].split()
    assert head[:4] == ["scenario", "manifest", "guard", "runs"]
    assert "chain" in head


def test_terminal_tells_failures_with_offence_and_replay(capsys) -> None:
    print_results(ALL)
    text = capsys.readouterr().out
    assert "orders-crash on aws-event-driven, seed 7: not as expected" in text
    assert "  no_lost_firing: invalid (2), expected valid" in text
    assert "replay: clef-sim replay 'orders-crash.decisions'" in text
    assert text.splitlines()[-1] == "3 of 5 runs as expected, 1 not as expected, 1 undecided"


def test_terminal_keeps_a_long_replay_command_in_one_line(capsys) -> None:
    long = "clef-sim replay " + "x" * 300
    print_results([result(checkers=UNEXPECTED.checkers, replay=long)])
    assert f"  replay: {long}" in capsys.readouterr().out.splitlines()


def test_terminal_shows_markup_and_emoji_as_they_are(capsys) -> None:
    print_results([result("[red]x[/red] :smile:", checkers=UNEXPECTED.checkers)])
    assert "[red]x[/red] :smile:" in capsys.readouterr().out


def test_terminal_verdict_names_the_checker(capsys) -> None:
    print_results([EXPECTED_LOSS])
    assert "invalid: no_lost_firing" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("columns", "kept", "gone"), [(110, "guard", "cold"), (90, "twice", "guard"), (60, "verdict", "lost")]
)
def test_terminal_that_is_narrow_gets_fewer_columns(terminal, capsys, columns: int, kept: str, gone: str) -> None:
    terminal(columns)
    print_results([VALID, EXPECTED_LOSS])
    lines = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).splitlines()
    assert kept in lines[0]
    assert gone not in lines[0]
    assert all(len(line) <= columns for line in lines)
