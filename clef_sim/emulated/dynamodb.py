"""DynamoDB on a real service: boto3's calls as they are, but for expiry, which the world does in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from typing import Any

from botocore.exceptions import ClientError

from clef_sim.emulated.aws_sdk import Sdk
from clef_sim.emulated.backends import Backend
from clef_sim.emulated.expiry import Expiries
from clef_sim.services.dynamodb.rows import scan_rank


class EmulatedDynamoDB:
    """As the model `services.dynamodb.DynamoDB`, on a service that runs. Tables are new in each run: one of the same
    name that is there is deleted.

    Args:
        ttl_delay_s: how long (s) an expired item stays, drawn per item; see `TtlDelay`.
    """

    def __init__(self, backend: Backend, clock_now: Callable[[], float], ttl_delay_s: Callable[[], float]) -> None:
        self._sdk, self._now = Sdk(backend), clock_now
        self._expiries = Expiries(ttl_delay_s, self._sdk)
        self.exceptions = self._sdk.exceptions
        self._keys: dict[str, tuple[str, ...]] = {}
        self._run = ""

    @property
    def tables(self) -> tuple[str, ...]:
        """Their names, in the order of their creation."""
        return tuple(self._keys)

    def create_table(self, **request: Any) -> Any:
        """Creates an empty table."""
        name = request["TableName"]
        with suppress(ClientError):  # it is not there
            self._sdk.answered("delete_table", TableName=name)
        answer = self._sdk.create_table(**request)
        self._keys[name] = tuple(key["AttributeName"] for key in request["KeySchema"])
        self._run = answer["ResponseMetadata"].get("RequestId", "")
        return answer

    def transact_write_items(self, **request: Any) -> Any:
        """As the SDK's. Another run has made the same transaction under the same token, maybe minutes ago, and the
        service would take this one for that: the token is made this run's own."""
        token = request.get("ClientRequestToken")
        if token is not None:
            request["ClientRequestToken"] = sha256(f"{self._run} {token}".encode()).hexdigest()[:32]
        return self._call("transact_write_items", request)

    def update_time_to_live(self, **request: Any) -> Any:
        """Expiry is the world's: the service's wall clock knows nothing of virtual time."""
        specification = request["TimeToLiveSpecification"]
        name = request["TableName"]
        self._expiries.watch(name, specification["AttributeName"], self._keys[name])
        return {"TimeToLiveSpecification": specification}

    def scan(self, **request: Any) -> Any:
        """As the SDK's, each page in the model's order: the service's own is nobody's to rely on."""
        answer = self._call("scan", request)
        pk, *sk = self._keys[request["TableName"]]

        def place(item: dict[str, Any]) -> tuple[bytes, list[Any]]:
            return scan_rank(_value(item[pk])), [_value(item[name]) for name in sk]

        items = answer.get("Items", ())
        if all(name in item for item in items for name in (pk, *sk)):  # a projection may leave keys out
            answer["Items"] = sorted(items, key=place)
        return answer

    def __getattr__(self, name: str) -> Callable[..., Any]:
        getattr(self._sdk, name)  # what the SDK lacks is an AttributeError now

        def call(**request: Any) -> Any:
            return self._call(name, request)

        self.__dict__[name] = call
        return call

    def _call(self, name: str, request: dict[str, Any]) -> Any:
        if not self._expiries.watched:
            return getattr(self._sdk, name)(**request)
        self._expiries.sweep(request, self._now())
        answer = getattr(self._sdk, name)(**request)
        self._expiries.note(name, request)
        return answer


def _value(attribute: dict[str, Any]) -> Any:
    kind, value = next(iter(attribute.items()))
    return float(value) if kind == "N" else value
