"""The pinned images as testcontainers' containers, for test suites that start their services by that library.

    with ServiceContainer("redis") as redis:
        redis.url   # redis://127.0.0.1:32768/0
        redis.variables   # {"REDIS_URL": ...}

`ways/containers.py` starts the same images for `clef-sim emulators`. Where testcontainers cannot pull its reaper
(Ryuk), set TESTCONTAINERS_RYUK_DISABLED=true: containers then go with the `with` block, and stay where the test
process is killed.
"""

from __future__ import annotations

from collections.abc import Callable

from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import WaitStrategy
from testcontainers.core.waiting_utils import WaitStrategyTarget

from clef_runtime.errors import BadInput
from clef_runtime.language.findings import did_you_mean
from emulators.catalogue import SERVICES
from emulators.ways.containers import IMAGES, services_of

READY_S = 60
"""How long a container may take until its services answer."""

_POLL_S = 0.1


class ServiceContainer(DockerContainer):
    """A container of one of `IMAGES`: its port is a free one of loopback; it has started when its services answer.

    Args:
        image: `redis`, `postgres`, `dynamodb-local`, `localstack`, `firestore`, `pubsub` or `gcs`.

    Raises:
        BadInput: no such image.
    """

    def __init__(self, image: str) -> None:
        if image not in IMAGES:
            raise BadInput(f"image(={image!r}) must be one of {', '.join(IMAGES)}{did_you_mean(image, IMAGES)}")
        pinned = IMAGES[image]
        super().__init__(pinned.name, env=dict(pinned.env))
        if pinned.command:
            self.with_command(list(pinned.command))
        # docker's own way to name the interface; testcontainers has none, and would publish on all of them.
        self.ports[str(pinned.port)] = ("127.0.0.1", None)  # type: ignore[assignment]
        self.waiting_for(_Answers(self.answers).with_startup_timeout(READY_S).with_poll_interval(_POLL_S))
        self._services, self._port = services_of(image), pinned.port

    @property
    def urls(self) -> dict[str, str]:
        """By service; once it has started."""
        address = f"127.0.0.1:{self.get_exposed_port(self._port)}"
        return {name: SERVICES[name].url.format(address=address) for name in self._services}

    @property
    def url(self) -> str:
        """Of its (first) service."""
        return next(iter(self.urls.values()))

    @property
    def variables(self) -> dict[str, str]:
        """The variables that lead clients to it."""
        return {key: value for name, url in self.urls.items() for key, value in SERVICES[name].env(url).items()}

    def answers(self) -> bool:
        """Every service of it answers."""
        return all(SERVICES[name].answers(url) for name, url in self.urls.items())


class _Answers(WaitStrategy):
    def __init__(self, answers: Callable[[], bool]) -> None:
        super().__init__()
        self._answers = answers

    def wait_until_ready(self, container: WaitStrategyTarget) -> None:  # noqa: ARG002 - the base's
        if not self._poll(self._answers):
            raise TimeoutError(f"no answer within {READY_S} s")
