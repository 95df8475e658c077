"""AWS for the contract suite: moto in this process, the simulator's models, and emulators (`aws_places`)."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeAlias

from aws_places import places
from contract_backends import ATOMIC, REPEATS, TOKENS, Services, model_services, moto_services, sdk_clients

Maker: TypeAlias = Callable[[], AbstractContextManager[Any]]


def emulated(way: str, *services: str, can: frozenset[str] = frozenset()) -> Maker:
    """A maker of the clients of one emulator."""

    @contextmanager
    def make() -> Iterator[Services]:
        with places(way, *services) as urls:
            yield Services(sdk_clients(urls), can, prefix=f"test-{uuid.uuid4().hex[:8]}-")

    return make


AWS: dict[str, Maker] = {
    "moto": moto_services,
    "model": lambda: nullcontext(model_services()),
    "moto-server": emulated("moto", "dynamodb", "sqs", "s3", can=frozenset({REPEATS})),
    "ministack": emulated("ministack", "dynamodb", "sqs", "s3", can=frozenset({ATOMIC})),
    "dynamodb-local": emulated("dynamodb-local", "dynamodb", can=frozenset({TOKENS, REPEATS, ATOMIC})),
    "localstack": emulated("localstack", "sqs", "s3"),
}
