"""What differs between clouds in a simulated deployment: services, function fronts, and what feeds functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from clef_runtime.app import App
from clef_runtime.deploy.manifest import Manifest
from clef_runtime.deploy.names import Names
from clef_runtime.errors import BadInput
from clef_runtime.serverless.service import FunctionService
from clef_sim.clients import SimClients
from clef_sim.clouds.shared import SharedServices
from clef_sim.emulated.backends import Backend, Backends, backend_of, not_emulated
from clef_sim.faults import Faults
from clef_sim.faults_queues import QueueFaults
from clef_sim.history import History
from clef_sim.kernel.choices import Choices
from clef_sim.kernel.clock import SimClock
from clef_sim.kernel.instance import Instance
from clef_sim.kernel.threads import Kernel
from clef_sim.network import Endpoint, Network
from clef_sim.outside import Front
from clef_sim.platform.functions import FunctionPlatform, Handler
from clef_sim.profiles import Profile


class Site:
    """What a world gives its cloud. `backends`: the real services of the emulated world; None in the model's."""

    def __init__(
        self,
        manifest: Manifest,
        app: App,
        kernel: Kernel,
        choices: Choices,
        history: History,
        profile: Profile,
        faults: Faults,
        network: Network,
        platform: FunctionPlatform,
        backends: Backends | None = None,
    ) -> None:
        self.manifest, self.app, self.names = manifest, app, Names(manifest, app.name)
        self.kernel, self.choices, self.history, self.profile = kernel, choices, history, profile
        self.faults, self.network, self.platform = faults, network, platform
        self.clock = SimClock(kernel)
        lacking = "" if backends is None else not_emulated(manifest)
        if lacking:
            raise BadInput(f"{manifest.file}: {lacking}")
        self._backends = backends
        self.shared = SharedServices(manifest, self.names, kernel, network, platform, self.clock.now)

    def backend(self, service: str) -> Backend | None:
        """What answers for `service`, as `emulated.backends.backend_of` says."""
        return backend_of(self._backends, service, self.manifest)

    @property
    def http_timeout_s(self) -> float:
        """Longer than a function may run."""
        return self.manifest.concepts.timeout_s + 5.0


class Cloud(Protocol):
    """A cloud with everything created that the manifest names, but for functions."""

    front: Front
    queue_faults: QueueFaults

    def clients(self, instance: Instance) -> SimClients:
        """The SDK clients of one instance."""

    def handler(self, build: Callable[[], FunctionService]) -> Handler:
        """What an instance runs for each event."""

    def url(self, function: str) -> Endpoint:
        """Where a function answers HTTP."""

    def feed(self, function: str, queue: str) -> None:
        """Delivers a queue's messages to a function."""

    def begin_faults(self) -> None:
        """Faults of the services themselves strike from now on."""

    def stop_faults(self) -> None:
        """They strike no more."""

    @property
    def resting(self) -> bool:
        """No message waits or is being delivered, dead letters aside."""

    @property
    def dead_letters(self) -> int:
        """Messages that were delivered too often."""

    def close(self) -> None:
        """The run is over: lets go of real services, having asked them whether they hold what they should.

        Raises:
            BackendFailed: one does not.
        """


def cloud_of(site: Site) -> Cloud:
    """The manifest's cloud; its services' SDKs are imported here, and only its own.

    Raises:
        BadInput: they are not installed.
    """
    if site.manifest.cloud == "aws":
        from clef_sim.clouds.aws import Aws

        return Aws(site)
    try:
        from clef_sim.clouds.gcp import Gcp
    except ModuleNotFoundError as error:
        raise BadInput(f"cloud gcp: {error}; pip install 'clef-sim[gcp]'") from error
    return Gcp(site)
