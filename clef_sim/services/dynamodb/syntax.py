"""Parser of DynamoDB's expressions: text -> tuples.

    operand    ("path", (part, ...)) | ("value", ":v") | ("call", name, (operand, ...))
    condition  ("cmp", op, a, b) | ("between", x, low, high) | ("in", x, (a, ...)) | ("call", ...)
               | ("and", a, b) | ("or", a, b) | ("not", a)
    action     ("SET", path, operand | ("+", a, b) | ("-", a, b)) | ("REMOVE", path)
               | ("ADD", path, value) | ("DELETE", path, value)

A path's part is a name as written (`a`, `#a`) or a list index.
"""

from __future__ import annotations

import re
from typing import Any, TypeAlias

from clef_sim.services.dynamodb.reserved import RESERVED
from clef_sim.services.dynamodb.values import invalid
from clef_sim.services.sdk import Refusal

Node: TypeAlias = tuple[Any, ...]

COMPARATORS = frozenset({"=", "<>", "<", "<=", ">", ">="})
TESTS = {"attribute_exists": 1, "attribute_not_exists": 1, "attribute_type": 2, "begins_with": 2, "contains": 2}
OPERAND_CALLS = {"size": 1}
UPDATE_CALLS = {"if_not_exists": 2, "list_append": 2}
_KEYWORDS = frozenset({"AND", "OR", "NOT", "BETWEEN", "IN"})
_ACTIONS = frozenset({"SET", "REMOVE", "ADD", "DELETE"})
_TOKEN = re.compile(r"\s*(#[A-Za-z0-9_]+|:[A-Za-z0-9_]+|[A-Za-z_][A-Za-z0-9_]*|\d+|<>|<=|>=|[=<>(),.\[\]+\-])")


class Parser:
    """Reads one expression. `label` is the request parameter it stands in; error messages begin with it."""

    def __init__(self, label: str, text: str) -> None:
        self.label = label
        self.tokens = self._split(text)
        self.at = 0

    def _split(self, text: str) -> list[str]:
        if not text.strip():
            raise self.error("The expression can not be empty;")
        tokens, position = [], 0
        end = len(text.rstrip())
        while position < end:
            found = _TOKEN.match(text, position)
            if found is None:
                bad = text[position:].lstrip()
                raise self.error(f'Syntax error; token: "{bad[0]}", near: "{bad[:12]}"')
            tokens.append(found[1])
            position = found.end()
        return tokens

    def error(self, message: str) -> Refusal:
        return invalid(f"Invalid {self.label}: {message}")

    def unexpected(self) -> Refusal:
        near = " ".join(self.tokens[max(0, self.at - 1) : self.at + 2])
        return self.error(f'Syntax error; token: "{self.peek() or "<EOF>"}", near: "{near}"')

    def peek(self, ahead: int = 0) -> str:
        place = self.at + ahead
        return self.tokens[place] if place < len(self.tokens) else ""

    def keyword(self, word: str) -> bool:
        """Takes the next token if it is `word`, in any case."""
        if self.peek().upper() == word:
            self.at += 1
            return True
        return False

    def expect(self, token: str) -> None:
        if not self.keyword(token):
            raise self.unexpected()

    def finish(self) -> None:
        if self.at < len(self.tokens):
            raise self.unexpected()

    # conditions

    def condition(self) -> Node:
        left = self._conjunction()
        while self.keyword("OR"):
            left = ("or", left, self._conjunction())
        return left

    def _conjunction(self) -> Node:
        left = self._negation()
        while self.keyword("AND"):
            left = ("and", left, self._negation())
        return left

    def _negation(self) -> Node:
        if self.keyword("NOT"):
            return ("not", self._negation())
        if self.peek() == "(" and self._is_condition_in_parentheses():
            self.at += 1
            inner = self.condition()
            self.expect(")")
            return inner
        return self._test()

    def _is_condition_in_parentheses(self) -> bool:
        """Whether the parenthesis opens a condition; else it only surrounds an operand, as in `(a) = :b`."""
        depth = 0
        for place in range(self.at, len(self.tokens)):
            token = self.tokens[place]
            depth += {"(": 1, ")": -1}.get(token, 0)
            if depth == 0:
                return self.tokens[self.at + 1 : place] != [] and not self._operand_only(place)
        return True

    def _operand_only(self, close: int) -> bool:
        after = self.tokens[close + 1] if close + 1 < len(self.tokens) else ""
        return after in COMPARATORS or after.upper() in ("BETWEEN", "IN")

    def _test(self) -> Node:
        left = self.operand({**TESTS, **OPERAND_CALLS})
        if left[0] == "call" and left[1] in TESTS:
            return left
        if self.peek() in COMPARATORS:
            op = self.peek()
            self.at += 1
            return ("cmp", op, left, self.operand(OPERAND_CALLS))
        if self.keyword("BETWEEN"):
            low = self.operand(OPERAND_CALLS)
            self.expect("AND")
            return ("between", left, low, self.operand(OPERAND_CALLS))
        if self.keyword("IN"):
            self.expect("(")
            return ("in", left, tuple(self._operands_until_close(OPERAND_CALLS)))
        raise self.unexpected()

    # operands

    def operand(self, calls: dict[str, int]) -> Node:
        token = self.peek()
        if self.keyword("("):
            inner = self.operand(calls)
            self.expect(")")
            return inner
        if token.startswith(":"):
            self.at += 1
            return ("value", token)
        if self.peek(1) == "(" and re.match(r"[A-Za-z_]", token):
            return self._call(token, calls)
        return self.path()

    def _call(self, name: str, calls: dict[str, int]) -> Node:
        if name not in calls:
            known = {**TESTS, **OPERAND_CALLS, **UPDATE_CALLS}
            if name in known:
                raise self.error(
                    f"The function is not allowed to be used this way in an expression; function: {name}"
                )
            raise self.error(f"Invalid function name; function: {name}")
        self.at += 2
        arguments = self._operands_until_close({**OPERAND_CALLS, **({} if name in TESTS else calls)})
        if len(arguments) != calls[name]:
            raise self.error(
                "Incorrect number of operands for operator or function; operator or function: "
                f"{name}, number of operands: {len(arguments)}"
            )
        needs_path = name in ("attribute_exists", "attribute_not_exists", "if_not_exists")
        if needs_path and arguments[0][0] != "path":
            raise self.error("Operator or function requires a document path; operator or function: " + name)
        return ("call", name, tuple(arguments))

    def _operands_until_close(self, calls: dict[str, int]) -> list[Node]:
        operands = [self.operand(calls)]
        while self.keyword(","):
            operands.append(self.operand(calls))
        self.expect(")")
        return operands

    def path(self) -> Node:
        parts: list[str | int] = [self._name()]
        while True:
            if self.keyword("."):
                parts.append(self._name())
            elif self.keyword("["):
                if not self.peek().isdigit():
                    raise self.unexpected()
                parts.append(int(self.peek()))
                self.at += 1
                self.expect("]")
            else:
                return ("path", tuple(parts))

    def _name(self) -> str:
        token = self.peek()
        if not re.match(r"[#A-Za-z_]", token):
            raise self.unexpected()
        if token.upper() in RESERVED:
            if token.upper() in _KEYWORDS:
                raise self.unexpected()
            raise self.error(f"Attribute name is a reserved keyword; reserved keyword: {token}")
        self.at += 1
        return token

    # projections and updates

    def projection(self) -> list[Node]:
        paths = [self.path()]
        while self.keyword(","):
            paths.append(self.path())
        return paths

    def update(self) -> list[Node]:
        actions: list[Node] = []
        seen: set[str] = set()
        while self.at < len(self.tokens):
            section = self.peek().upper()
            if section not in _ACTIONS:
                raise self.unexpected()
            if section in seen:
                raise self.error(f'The "{section}" section can only be used once in an update expression;')
            seen.add(section)
            self.at += 1
            actions.append(self._action(section))
            while self.keyword(","):
                actions.append(self._action(section))
        return actions

    def _action(self, section: str) -> Node:
        target = self.path()
        if section == "REMOVE":
            return (section, target)
        if section == "SET":
            self.expect("=")
            return (section, target, self._sum())
        operand = self.operand({})
        if operand[0] != "value":
            raise self.unexpected()
        return (section, target, operand)

    def _sum(self) -> Node:
        left = self.operand(UPDATE_CALLS)
        if self.peek() in ("+", "-"):
            sign = self.peek()
            self.at += 1
            return (sign, left, self.operand(UPDATE_CALLS))
        return left
