"""What a check says of files that parse, and what an app's load refuses."""

from pathlib import Path

import pytest

from clef_runtime.errors import SyncSyntaxError
from clef_runtime.language import check_paths, load_paths

TEXT = """\
# User/nothing and lookup( in a comment do not count
sync First [eager]
  purpose: "lookup(?x) then { ?lost }"
when {
  Web/request: [ token: ?token ] => [ request: ?request ]
}
where {
  User: { ?user name: ?name }
  {where}
}
then {
  {then}
}
sync Second
when { Phone.Profile/get: [] => [] }
then { Web/respond: [ request: ?lost ] }
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "app.sync"


def write(path: Path, where: str = "", then: str = "Web/respond: [ request: ?request ]") -> None:
    path.write_text(TEXT.replace("{where}", where).replace("{then}", then))


def seen(path: Path, **options: object) -> list[tuple[int, int, str, str]]:
    findings = check_paths([path], **options)  # type: ignore[arg-type]  # the tests choose the options
    return [(each.line, each.column, each.severity, each.code) for each in findings]


LOST = (16, 32, "warning", "unbound")


def test_variable_of_then_that_nothing_binds_is_a_warning(path: Path) -> None:
    write(path)
    assert seen(path) == [LOST]
    assert "nothing binds `?lost`" in str(check_paths([path])[0])


@pytest.mark.parametrize(
    "then",
    [
        "Web/respond: [ a: ?token; b: ?request; c: ?user; d: ?name ]",
        "for each ?x in ?name { Web/respond: [ a: ?x.y ] }",
    ],
)
def test_variables_that_are_bound_are_no_finding(path: Path, then: str) -> None:
    write(path, then=then)
    assert seen(path) == [LOST]


@pytest.mark.parametrize("then", ["Web/respond: [ a: [ b: ?gone ] ]", "?gone/respond: []", "Web/?gone: []"])
def test_unbound_variable_is_found_inside_values_and_targets(path: Path, then: str) -> None:
    write(path, then=then)
    assert seen(path) == [(12, 3 + then.index("?gone"), "warning", "unbound"), LOST]


def test_variable_of_a_loop_is_not_bound_behind_it(path: Path) -> None:
    write(path, then="for each ?x in ?name { Web/respond: [] } Web/respond: [ a: ?x ]")
    assert [found[3] for found in seen(path)] == ["unbound", "unbound"]


def test_unknown_function_is_refused_with_its_name_file_and_place(path: Path) -> None:
    write(path, where="bind(lookup(?name) as ?found)")
    assert seen(path) == [(9, 8, "error", "unknown-function"), LOST]
    with pytest.raises(SyncSyntaxError) as caught:
        load_paths([path], functions=())
    assert (caught.value.file, caught.value.line, caught.value.column) == (str(path), 9, 8)
    assert "unknown function `lookup`" in caught.value.message


def test_unknown_function_near_a_known_one_is_answered_with_it(path: Path) -> None:
    write(path, then="Web/respond: [ request: concatt(?name) ]")
    assert "did you mean `concat`?" in check_paths([path])[0].message


def test_function_that_the_app_registers_is_known(path: Path) -> None:
    write(path, where="bind(lookup(?name) as ?found)")
    assert seen(path, functions={"lookup"}) == [LOST]
    assert len(load_paths([path], functions={"lookup"})) == 2


def test_unknown_function_without_an_app_is_a_warning_and_loads(path: Path) -> None:
    write(path, where="bind(lookup(?name) as ?found)")
    assert seen(path, functions=None)[0] == (9, 8, "warning", "unknown-function")
    assert len(load_paths([path])) == 2


def test_wrong_number_of_arguments_is_refused(path: Path) -> None:
    write(path, where="filter(not(?name, ?user))")
    assert seen(path) == [(9, 10, "error", "arguments"), LOST]
    assert "`not` takes 1 argument(s), not 2" in check_paths([path])[0].message


@pytest.mark.parametrize(
    ("where", "column"),
    [
        ("filter(NOT User: { ?name id: ?user })", 18),
        ('any(?name as ?which; "all" = ?which)', 13),
        ("bind(?name ? 1 : 2 as ?n)", 14),
        ("guard(map(?name, ?n => ?n.id))", 9),
    ],
)
def test_expression_without_a_meaning_loads_but_not_for_an_app(path: Path, where: str, column: int) -> None:
    write(path, where=where)
    assert seen(path)[0] == (9, column, "error", "expression")
    assert len(load_paths([path])) == 2
    with pytest.raises(SyncSyntaxError, match="cannot be read"):
        load_paths([path], functions=())


def test_loop_of_something_else_loads_but_not_for_an_app(path: Path) -> None:
    write(path, then="for each ?x in ?name { if ?x { Web/respond: [] } }")
    assert load_paths([path])[0].then[0].loops
    assert seen(path)[0] == (12, 3, "error", "expression")
    with pytest.raises(SyncSyntaxError, match="loop"):
        load_paths([path], functions=())


def test_catalogue_names_unknown_concepts_and_actions(path: Path) -> None:
    write(path, where="Tokn/read: [] => [ ok ]", then="Web/respnd: [ request: ?request ]")
    catalogue = {"Web": {"request", "respond"}, "urn:clef/User": {"register"}, "Token": {"read"}}
    assert seen(path, catalogue=catalogue) == [
        (9, 3, "warning", "unknown-concept"),
        (12, 3, "error", "unknown-action"),
        (15, 8, "warning", "unknown-concept"),
        LOST,
    ]
    tokn, respnd, phone, _ = (each.message for each in check_paths([path], catalogue=catalogue))
    assert "no concept `Tokn`; did you mean `Token`?" in tokn
    assert "concept `Web` has no action `respnd`; did you mean `respond`?" in respnd
    assert "`Phone.Profile`" in phone


def test_shared_name_is_an_error_in_an_app_only(path: Path, tmp_path: Path) -> None:
    write(path)
    other = tmp_path / "other.sync"
    other.write_text("sync Second when { Web/request: [] => [] } then { Web/respond: [] }")
    assert next(each for each in check_paths([tmp_path]) if each.code == "duplicate").severity == "warning"
    (found,) = (each for each in check_paths([tmp_path], catalogue={}) if each.code == "duplicate")
    assert (found.file, found.line, found.severity) == (str(other), 1, "error")
    assert f"sync Second is defined in {path}:14 already" in found.message
    assert len(load_paths([tmp_path])) == 3


def test_empty_blocks_are_warnings(path: Path) -> None:
    path.write_text("sync Empty\nwhen { }\nthen { }\n")
    assert seen(path) == [(2, 1, "warning", "empty"), (3, 1, "warning", "empty")]
