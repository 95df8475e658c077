"""AWS: MiniStack, LocalStack without a container, moto's server, DynamoDB Local."""

from __future__ import annotations

import sys
from pathlib import Path

from emulators import installs
from emulators.processes import Launch, Place
from emulators.questions import call
from emulators.ways.base import Missing, Way, environment, installed_version, java, modules, recipe_version

_ALL = ("dynamodb", "sqs", "s3")


def _ministack(place: Place) -> Launch:
    env = {
        "BIND_HOST": "127.0.0.1",  # else every address
        "GATEWAY_PORT": str(place.port),
        "MINISTACK_HOST": "127.0.0.1",
        "S3_DATA_DIR": str(place.folder / "s3"),
        "STATE_DIR": str(place.folder / "state"),
    }
    return Launch(argv=(installs.python_of("ministack"), "-m", "ministack"), env=env)


MINISTACK = Way(
    name="ministack",
    kind="python",
    serves=_ALL,
    missing=lambda: environment("ministack"),
    launch=_ministack,
    python=True,
    version=recipe_version("ministack"),
    empty=lambda url: _post(f"{url}/_ministack/reset"),
)


def _localstack(place: Place) -> Launch:
    env = {
        "GATEWAY_LISTEN": f"127.0.0.1:{place.port}",
        "GATEWAY_SERVER": "hypercorn",  # its default one listens on every address, whatever it is told
        "LOCALSTACK_HOST": f"127.0.0.1:{place.port}",
        "SQS_ENDPOINT_STRATEGY": "path",  # else queue URLs have a name that only a DNS server knows
        "SERVICES": "sqs,s3",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "DISABLE_EVENTS": "1",
        "DNS_ADDRESS": "0",
        "OVERRIDE_IN_DOCKER": "0",
        "FILESYSTEM_ROOT": str(place.folder / "root"),
    }
    # Its own way to stop takes seconds, and there is nothing to keep.
    return Launch(argv=(installs.python_of("localstack"), "-m", "localstack.runtime.main"), env=env, stop_signal=9)


LOCALSTACK = Way(
    name="localstack",
    kind="python",
    serves=("sqs", "s3"),
    missing=lambda: environment("localstack"),
    launch=_localstack,
    python=True,
    version=recipe_version("localstack"),
    timeout_s=40.0,
    note="its DynamoDB is DynamoDB Local, which runs beside it: way dynamodb-local",
)


def _moto_modules() -> Missing | None:
    return modules("moto", "flask", "flask_cors", "py_partiql_parser")


def _moto(place: Place) -> Launch:
    python = installs.python_of("moto") if _moto_modules() else sys.executable
    return Launch(argv=(python, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(place.port)), stop_signal=9)


MOTO = Way(
    name="moto",
    kind="python",
    serves=_ALL,
    missing=lambda: _moto_modules() and environment("moto"),
    launch=_moto,
    python=True,
    version=installed_version("moto", "moto"),
    empty=lambda url: _post(f"{url}/moto-api/reset"),
    note="its conditional writes are not atomic across threads: nothing about exclusion is shown by it",
)

_JETTY = Path(__file__).with_name("dynamodb_local.xml")


def _dynamodb_local(place: Place) -> Launch:
    home = installs.folder("dynamodb-local") / "package" / "emulator"
    return Launch(
        argv=(
            "java",
            "-Xmx512m",
            "-XX:-UsePerfData",
            f"-Djava.io.tmpdir={place.folder}",
            f"-Djava.library.path={home / 'DynamoDBLocal_lib'}",
            "-cp",
            f"{home / 'DynamoDBLocal.jar'}:{home / 'DynamoDBLocal_lib'}/*",
            # Its own main class listens on every address.
            "org.eclipse.jetty.xml.XmlConfiguration",
            f"port={place.port}",
            str(_JETTY),
        ),
        stop_signal=9,  # in memory
    )


DYNAMODB_LOCAL = Way(
    name="dynamodb-local",
    kind="program",
    serves=("dynamodb",),
    missing=lambda: environment("dynamodb-local") or java(),
    launch=_dynamodb_local,
    version=recipe_version("dynamodb-local"),
)


def _post(url: str) -> None:
    status, body = call(url, "POST")
    if status >= 300:
        raise OSError(f"POST {url}: {status} {body[:200]!r}")
