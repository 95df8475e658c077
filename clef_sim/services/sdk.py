"""What the service models share with an SDK client: request checking, answers, and errors.

A model's operation is a method that takes the SDK's keyword arguments and answers as the SDK would. What
is not modelled is refused by its name, never ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, NoReturn, TypeAlias, TypeVar

from botocore.exceptions import ClientError, ParamValidationError

Request: TypeAlias = dict[str, Any]
Answer: TypeAlias = dict[str, Any]
Service = TypeVar("Service")

METADATA: Answer = {"HTTPStatusCode": 200, "RetryAttempts": 0}
"""Shared by all answers: read it, do not change it."""


class Unmodelled(NotImplementedError, AttributeError):
    """An operation, parameter or setting that exists in the SDK but not in this model. Nothing was done."""


class ModelError(Exception):
    """Base of what the models raise inside; no caller of an operation sees one."""


class Refusal(ModelError):
    """The service says no. Inside the models; callers of an operation see a `ClientError`.

    Args:
        code: the wire's error code. `shape`: the SDK's exception class, where it is called otherwise.
        status: of the HTTP answer.
        extra: top-level fields of the error answer (`Item`, `CancellationReasons`).
    """

    def __init__(self, code: str, message: str, *, shape: str = "", status: int = 400, **extra: Any) -> None:
        super().__init__(message)
        self.code, self.message, self.shape, self.extra = code, message, shape or code, extra
        self.status = status


class Malformed(ModelError):
    """A value of the wrong Python type: the SDK itself refuses it. Callers see a `ParamValidationError`."""


_classes: dict[str, Any] = {}


def error_class(shape: str) -> Any:
    """The exception class named `shape`, a subclass of botocore's ClientError; always the same one."""
    found = _classes.get(shape)
    if found is None:
        found = _classes[shape] = type(shape, (ClientError,), {})
    return found


class Exceptions:
    """`client.exceptions`: the classes by name."""

    ClientError = ClientError

    def __getattr__(self, shape: str) -> Any:
        if shape.startswith("_"):
            raise AttributeError(shape)
        return error_class(shape)


def client_error(refusal: Refusal, operation: str) -> Exception:
    """The `ClientError` in which the SDK reports `refusal`."""
    answer: Answer = {
        "Error": {"Code": refusal.code, "Message": refusal.message},
        "ResponseMetadata": {"HTTPStatusCode": refusal.status, "RetryAttempts": 0},
        "message": refusal.message,
        **refusal.extra,
    }
    error: Exception = error_class(refusal.shape)(answer, operation)
    return error


def refuse_unmodelled(what: str, names: Iterable[str], modelled: Iterable[str]) -> NoReturn:
    unknown = ", ".join(sorted(names))
    raise Unmodelled(f"{what}: {unknown} is not modelled; modelled are: {', '.join(sorted(modelled))}")


_FITTING: set[tuple[str, ...]] = set()
"""(what, its names) of requests that have been checked: there are as many as the callers have ways to ask."""


def check_names(what: str, given: Iterable[str], required: tuple[str, ...], optional: tuple[str, ...]) -> None:
    """Checks the field names of a nested request.

    Raises:
        Unmodelled: names a field that the model does not have.
        Malformed: a required field is missing.
    """
    shape = (what, *given)
    if shape in _FITTING:
        return
    names = set(given)
    modelled = {*required, *optional}
    if not names <= modelled:
        refuse_unmodelled(what, names - modelled, modelled)
    for name in required:
        if name not in names:
            raise Malformed(f'Missing required parameter in {what}: "{name}"')
    _FITTING.add(shape)


class Direct(NamedTuple):
    """An operation in its parts, for a caller that makes many.

    `function` of service and request raises `ModelError`s as the model does; `reported` makes of them what the
    SDK raises. `fitting` holds the names, in order, of requests that have been checked: others go by the method.
    """

    function: Callable[[Any, Request], Answer]
    fitting: set[tuple[str, ...]]
    reported: Callable[[Exception], Exception]


def operation(
    name: str, *, required: tuple[str, ...] = (), optional: tuple[str, ...] = (), blocks: bool = False
) -> Callable[[Callable[[Service, Request], Answer]], Callable[..., Answer]]:
    """Makes a client method of a function of one request.

    The method raises `Unmodelled` for parameters that are not listed, botocore's `ParamValidationError` for
    missing ones, and its `ClientError` (code and message as the service's) for every `Refusal`. It has an
    attribute `direct`, unless it `blocks`: unless it may wait for virtual time to pass.
    """
    modelled, needed = frozenset({*required, *optional}), frozenset(required)

    def make(function: Callable[[Service, Request], Answer]) -> Callable[..., Answer]:
        def check(request: Request) -> None:
            if not request.keys() <= modelled:
                refuse_unmodelled(name, request.keys() - modelled, modelled)
            if not needed <= request.keys():
                missing = next(parameter for parameter in required if parameter not in request)
                raise Malformed(f'Missing required parameter in input: "{missing}"')
            fitting.add(tuple(request))

        def reported(error: Exception) -> Exception:
            if isinstance(error, Refusal):
                return client_error(error, name)
            return ParamValidationError(report=str(error)) if isinstance(error, Malformed) else error

        def call(self: Service, **request: Any) -> Answer:
            try:
                if tuple(request) not in fitting:
                    check(request)
                return function(self, request)
            except ModelError as error:
                raise reported(error) from None

        fitting: set[tuple[str, ...]] = set()
        call.__name__, call.__doc__ = function.__name__, function.__doc__
        if not blocks:
            call.direct = Direct(function, fitting, reported)  # type: ignore[attr-defined]  # read by the network
        return call

    return make
