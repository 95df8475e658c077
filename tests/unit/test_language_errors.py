"""A text that is not in the language ends in an error with its place, whatever it is."""

from pathlib import Path

import pytest

from clef_runtime.errors import BadInput, SyncSyntaxError
from clef_runtime.language import check_paths, load_paths, parse_text

GOOD = "sync A [eager]\nwhen {\n  X/y: [ a: ?b ] => ok(c: ?c)\n}\nthen {\n  Z/w: [ q: ?b ]\n}\n"


def error_of(text: str) -> SyncSyntaxError:
    with pytest.raises(SyncSyntaxError) as caught:
        parse_text(text, "a.sync")
    return caught.value


@pytest.mark.parametrize(
    ("old", "new", "line", "column", "found", "expected"),
    [
        ("sync A", "A", 1, 1, "`A`", "`sync`"),
        ("sync A", "sync", 1, 6, "`[`", "a name"),
        ("when {", "{", 2, 1, "`{`", "`when`"),
        ("=> ok", "-> ok", 3, 18, "`-`", "`=>`"),
        ("X/y:", "X.y:", 3, 6, "`:`", "`/`"),
        ("[ a: ?b ]", "( a: ?b )", 3, 8, "`(`", "`[`"),
        ("a: ?b", "a: b", 3, 13, "`b`", "a `?variable`"),
        ("ok(c: ?c)", "ok{c: ?c}", 3, 23, "`{`", "`(`"),
        ("then {\n  Z/w: [ q: ?b ]\n}\n", "", 4, 2, "the end of the text", "`then`"),
        ("Z/w: [", "Z/w [", 6, 5, "`w`", "a name with `:`"),
        (" ]\n}\n", "", 6, 15, "the end of the text", "`]`"),
        ("q: ?b", 'q: "abc', 6, 13, "a string without an end", "a closing quote"),
        ("then", "where { bind(uuid() ?x) }\nthen", 5, 23, "`)`", "`as ?variable`"),
        ("then", "where { bind(uuid() as x) }\nthen", 5, 25, "`)`", "`as ?variable`"),
        ("then", "where { filter(?a }\nthen", 8, 2, "the end of the text", "`)`"),
        ("then", "where { User: { ?u ?v: 1 } }\nthen", 5, 22, "`:`", "a name with `:`"),
        ("?b ]\n}", "?b ]\n}\nfoo", 8, 1, "`foo`", "`sync`"),
    ],
)
def test_error_names_place_found_and_expected(
    old: str, new: str, line: int, column: int, found: str, expected: str
) -> None:
    error = error_of(GOOD.replace(old, new, 1))
    assert (error.file, error.line, error.column) == ("a.sync", line, column)
    assert f"found {found}, expected " in error.message
    assert expected in error.message.partition(", expected ")[2]


def test_error_shows_the_line_with_a_caret() -> None:
    assert str(error_of(GOOD.replace("=>", "->"))) == (
        "a.sync:3:18: found `-`, expected `=>`\n    X/y: [ a: ?b ] -> ok(c: ?c)\n" + " " * 19 + "^"
    )


def test_error_in_a_file_with_windows_line_ends_counts_the_same() -> None:
    error = error_of(GOOD.replace("=>", "->").replace("\n", "\r\n"))
    assert (error.line, error.column, error.text) == (3, 18, "  X/y: [ a: ?b ] -> ok(c: ?c)")


def test_two_syncs_the_first_without_then_names_the_second() -> None:
    error = error_of("sync A\nwhen { X/y: [] => [] }\n\n" + GOOD)
    assert (error.line, error.column) == (4, 1)
    assert error.message == "found `sync`, expected `where` or `then`"


@pytest.mark.parametrize("value", ["[a: " * 65 + "1" + "]" * 65, "[" * 65 + "]" * 65, "{a: " * 65 + "1" + "}" * 65])
def test_value_nested_too_deep_is_refused_at_its_place(value: str) -> None:
    error = error_of(GOOD.replace("?b ]\n}", value + " ]\n}"))
    assert (error.line, error.column) == (6, 13)
    assert "64 deep" in error.message


def test_number_too_large_is_refused() -> None:
    assert "too large" in error_of(GOOD.replace("q: ?b", "q: " + "9" * 5_000)).message


@pytest.mark.parametrize(
    "text",
    [
        "sync A when { } then { A/b: [ x: " + "[ a: " * 5_000,
        "sync A purpose " + "{" * 50_000,
        "sync A when { } where { filter(" + "(" * 50_000,
        "sync A when { } then { " + "for each ?x in ?y {" * 5_000,
        '"' * 50_001,
        "?" * 50_000,
        "sync " + "a." * 50_000,
        "sync A when { } then { A/b: [ x: " + "/* " * 20_000,
        "sync A when { A/b: [ x: '" + "\\" * 50_000,
    ],
)
def test_hostile_text_is_an_error(text: str) -> None:
    assert error_of(text).line == 1


@pytest.mark.parametrize(
    "expression",
    ["f(" * 3_000 + ")" * 3_000, "[" * 3_000 + "1" + "]" * 3_000, "?a + " * 3_000 + "1", "!" * 3_000 + "1"],
)
def test_deep_expression_is_let_through_as_clef_does_and_refused_for_an_app(expression: str, tmp_path: Path) -> None:
    path = tmp_path / "deep.sync"
    path.write_text(GOOD.replace("then {", f"where {{ filter({expression}) }}\nthen {{", 1))
    assert len(load_paths([path])) == 1
    with pytest.raises(SyncSyntaxError, match="64 deep"):
        load_paths([path], functions=())


def test_missing_path_says_what_to_name() -> None:
    with pytest.raises(BadInput, match=r"path\(='/no/such'\) does not exist; name a .sync file"):
        load_paths([Path("/no/such")])


def test_folder_without_syncs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"holds no \.sync file"):
        load_paths([tmp_path])


def test_file_that_is_not_utf8_names_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "latin.sync"
    path.write_bytes(GOOD.encode().replace(b"?c", b"?\xe9"))
    with pytest.raises(SyncSyntaxError) as caught:
        load_paths([path])
    assert (caught.value.line, caught.value.column) == (3, 28)
    assert "found byte 0xe9, expected UTF-8" in caught.value.message


def test_folder_is_read_in_order_and_each_file_once(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("b", "a", "sub/c"):
        (tmp_path / f"{name}.sync").write_text(GOOD.replace("sync A", f"sync {name[-1]}"))
    (tmp_path / "notes.txt").write_text("not a sync")
    syncs = load_paths([tmp_path / "b.sync", tmp_path])
    assert [sync.name for sync in syncs] == ["b", "a", "c"]


def test_check_reports_every_broken_file(tmp_path: Path) -> None:
    (tmp_path / "a.sync").write_text("sync\n")
    (tmp_path / "b.sync").write_bytes(b"\xff")
    (tmp_path / "c.sync").write_text(GOOD)
    findings = check_paths([tmp_path, tmp_path / "none"])
    assert [(Path(found.file).name, found.line, found.severity, found.code) for found in findings] == [
        ("a.sync", 1, "error", "syntax"),
        ("b.sync", 1, "error", "syntax"),
        ("none", 1, "error", "path"),
    ]
