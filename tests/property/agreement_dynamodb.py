"""Random calls of DynamoDB: values, keys and expressions, without what PARITY.md leaves out for a target."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

TABLES = {
    "ranged": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    "hashed": [{"AttributeName": "pk", "KeyType": "HASH"}],
    "numbered": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
}
KINDS = {"ranged": {"pk": "S", "sk": "S"}, "hashed": {"pk": "S"}, "numbered": {"pk": "S", "sk": "N"}}
tables = st.sampled_from(sorted(TABLES))

Values = st.SearchStrategy[dict[str, Any]]
Expression = tuple[str, list[Any]]
"""Text with a `?` for each of the values."""

texts: Values = st.sampled_from(["", "a", "ab", "b", "é", "\ue000", "\U0001f600"]).map(lambda text: {"S": text})
flags: Values = st.booleans().map(lambda flag: {"BOOL": flag})
lists: Values = st.lists(texts, max_size=3).map(lambda each: {"L": each})
sets: Values = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, unique=True).map(lambda each: {"SS": each})
SPELT = ["0", "1", "2", "-3", "10"]
OTHERWISE = ["1.0", "-0", "1e1", "0.50", "00.5"]
LONG = "12345678901234567890123456789012345678"
SHORTEST: Values = st.sampled_from(SPELT).map(lambda number: {"N": number})
NAMES = {f"#{name}": name for name in ("x", "y", "z", "l", "s", "b", "f", "g", "pk", "sk")}
NESTED = [{"L": [{"M": {"f": {"L": []}}}]}, {"M": {"f": {"M": {"g": {"NULL": True}}}}}, {"NS": ["1", "2"]}]


class Calls:
    """What may be drawn; `left_out` are lines of PARITY.md."""

    def __init__(self, left_out: frozenset[int]) -> None:
        self.left_out = left_out
        numbers = SPELT if 6 in left_out else [*SPELT, *OTHERWISE]
        if 34 not in left_out:
            numbers = [*numbers, LONG]
        self.numbers: Values = st.sampled_from(numbers).map(lambda number: {"N": number})
        self.kept = SHORTEST if 33 in left_out else self.numbers
        maps: Values = st.fixed_dictionaries({}, optional={"f": texts, "g": self.kept}).map(lambda each: {"M": each})
        kinds = {"x": texts, "y": self.numbers, "z": maps, "l": lists, "s": sets, "b": flags}
        self.any: Values = st.one_of(*kinds.values(), st.just({"NULL": True}), st.sampled_from(NESTED))
        if 3 not in left_out:  # an attribute may have any type, most often its own
            kinds = {name: st.one_of(kind, kind, kind, self.any) for name, kind in kinds.items()}
        self.attributes = st.fixed_dictionaries({}, optional=kinds)
        self.ordered = {
            "#x": texts,
            "#y": self.numbers,
            "#z.#f": texts,
            "#z.#g": self.numbers,
            "#l[0]": texts,
        }
        self.operands = {**self.ordered, "#z": maps, "#l": lists, "#s": sets, "#b": flags}
        self.conditions = st.recursive(self._comparisons(), _joined, max_leaves=3)
        self.updates = self._updates()

    def keys(self, table: str) -> Values:
        parts = {"pk": st.sampled_from(["p", "q"]).map(lambda text: {"S": text})}
        if table == "ranged":
            parts["sk"] = st.sampled_from(["a", "ab", "b", "é", "\ue000", "\U0001f600"]).map(lambda text: {"S": text})
        if table == "numbered":
            parts["sk"] = SHORTEST if 31 in self.left_out else self.numbers
        return st.fixed_dictionaries(parts)

    def operand(self, draw: st.DrawFn, path: str) -> dict[str, Any]:
        """A value to compare with what is there: of any type where the target knows how."""
        if 3 not in self.left_out and draw(st.integers(0, 3)) == 0:
            return draw(self.any)
        return draw(self.operands[path])

    def _comparisons(self) -> st.SearchStrategy[Expression]:
        @st.composite
        def comparisons(draw: st.DrawFn) -> Expression:
            kind = draw(st.sampled_from(list(makers)))
            return makers[kind](draw)

        makers: dict[str, Callable[[st.DrawFn], Expression]] = {
            "exists": self._exists,
            "equal": self._equal,
            "order": self._order,
            "between": self._between,
            "in": self._in,
            "contains": self._contains,
            "type": self._type,
            "size": self._size,
        }
        return comparisons()

    def _path(self, draw: st.DrawFn) -> str:
        return draw(st.sampled_from(sorted(self.operands)))

    def _exists(self, draw: st.DrawFn) -> Expression:
        function = draw(st.sampled_from(["attribute_exists", "attribute_not_exists"]))
        return f"{function}({self._path(draw)})", []

    def _equal(self, draw: st.DrawFn) -> Expression:
        path = self._path(draw)
        return f"{path} {draw(st.sampled_from(['=', '<>']))} ?", [self.operand(draw, path)]

    def _order(self, draw: st.DrawFn) -> Expression:
        path = draw(st.sampled_from(sorted(self.ordered)))
        operand = self.ordered[path] if 29 in self.left_out else None
        value = draw(operand) if operand is not None else self.operand(draw, path)
        return f"{path} {draw(st.sampled_from(['<', '<=', '>', '>=']))} ?", [value]

    def _between(self, draw: st.DrawFn) -> Expression:
        path = draw(st.sampled_from(sorted(self.ordered)))
        bounds: list[dict[str, Any]] = [draw(self.ordered[path]), draw(self.ordered[path])]
        bounds.sort(key=_size_of)
        return f"{path} BETWEEN ? AND ?", bounds

    def _in(self, draw: st.DrawFn) -> Expression:
        path = self._path(draw)
        return f"{path} IN (?, ?)", [self.operand(draw, path), self.operand(draw, path)]

    def _contains(self, draw: st.DrawFn) -> Expression:
        text = {"S": draw(st.sampled_from(["a", "b", "é"]))}
        if draw(st.booleans()):
            return "begins_with(#x, ?)", [text]
        return f"contains({draw(st.sampled_from(['#x', '#l', '#s']))}, ?)", [text]

    def _type(self, draw: st.DrawFn) -> Expression:
        kind = {"S": draw(st.sampled_from(["S", "N", "L", "M", "SS", "BOOL"]))}
        return f"attribute_type({self._path(draw)}, ?)", [kind]

    def _size(self, draw: st.DrawFn) -> Expression:
        path = draw(st.sampled_from(["#x", "#l", "#s", "#z"]))
        there = f"attribute_exists({path}) AND " if 2 in self.left_out else ""
        return f"{there}size({path}) > ?", [draw(self.numbers)]

    def _updates(self) -> st.SearchStrategy[Expression]:
        settings: dict[str, list[tuple[str, Values | None]]] = {
            "#x": [("?", texts), ("if_not_exists(#x, ?)", texts)],
            "#y": [
                ("?", self.kept),
                ("#y + ?", self.kept),
                ("#y - ?", self.kept),
                ("if_not_exists(#y, ?) + #y", self.kept),
            ],
            "#l": [("list_append(#l, ?)", lists), ("list_append(?, #l)", lists), ("#l", None)],
            "#z.#f": [("?", texts)],
            "#l[0]": [("?", texts)],
            "#l[9]": [("?", texts)],
        }

        @st.composite
        def updates(draw: st.DrawFn) -> Expression:
            sections: dict[str, list[str]] = {}
            given: dict[str, list[Any]] = {}
            roots: set[str] = set()
            kinds = st.lists(
                st.sampled_from(["SET", "REMOVE", "ADD", "DELETE"]), min_size=1, max_size=3, unique=4 in self.left_out
            )
            for kind in draw(kinds):
                target, action, operand = self._action(draw, kind, settings)
                if target[:2] in roots and 4 in self.left_out:
                    continue
                roots.add(target[:2])
                sections[kind] = [*sections.get(kind, []), action]
                given[kind] = [*given.get(kind, []), *([draw(operand)] if operand is not None else [])]
            text = " ".join(f"{kind} {', '.join(actions)}" for kind, actions in sections.items())
            return text, [value for each in given.values() for value in each]

        return updates()

    def _action(
        self, draw: st.DrawFn, kind: str, settings: dict[str, list[tuple[str, Values | None]]]
    ) -> tuple[str, str, Values | None]:
        """Where, the text, and the value in it."""
        if kind == "SET":
            target = draw(st.sampled_from(sorted(settings)))
            text, operand = draw(st.sampled_from(settings[target]))
            return target, f"{target} = {text}", operand
        if kind == "REMOVE":
            target = draw(st.sampled_from(["#x", "#y", "#s", *(() if 30 in self.left_out else ("#z.#f", "#l[0]"))]))
            return target, target, None
        target, operand = ("#y", self.kept) if kind == "ADD" and draw(st.booleans()) else ("#s", sets)
        return target, f"{target} ?", operand


def _size_of(value: dict[str, Any]) -> Any:
    return float(value["N"]) if "N" in value else value["S"].encode()


def _joined(children: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    def join(op: str, left: Expression, right: Expression) -> Expression:
        return f"({left[0]}) {op} ({right[0]})", [*left[1], *right[1]]

    return st.one_of(
        st.builds(join, st.sampled_from(["AND", "OR"]), children, children),
        children.map(lambda child: (f"NOT ({child[0]})", child[1])),
    )


def bound(**expressions: Expression | None) -> dict[str, Any]:
    """Request parameters: each `?` becomes a value of its own; the names that are used."""
    request: dict[str, Any] = {}
    bound_values: dict[str, Any] = {}
    for label, expression in expressions.items():
        if expression is None:
            continue
        text, given = expression
        for value in given:
            token = f":v{len(bound_values)}"
            bound_values[token] = value
            text = text.replace("?", token, 1)
        request[label] = text
    names = {token: name for token, name in NAMES.items() if any(_uses(text, token) for text in request.values())}
    if names:
        request["ExpressionAttributeNames"] = names
    if bound_values:
        request["ExpressionAttributeValues"] = bound_values
    return request


def _uses(text: str, token: str) -> bool:
    ends = (at + len(token) for at in range(len(text)) if text.startswith(token, at))
    return any(not text[end : end + 1].isalnum() for end in ends)
