"""From the environment of a deployed process to what it runs, on either cloud.

| variable | holds |
| --- | --- |
| `CLEF_MANIFEST` | the manifest's file or a template's name |
| `CLEF_APP` | the app's module; else the manifest's |
| `CLEF_ARTIFACT` | file of the compiled syncs (`write_artifact`); else the app's `.sync` files are read |
| `CLEF_FUNCTION` | which function this is; else the platform's variable for it |
| `CLEF_FUNCTION_URLS` | JSON: function name -> URL (options A and B) |
| `CLEF_ENGINE_URL` | option A's engine |
| `CLEF_PROJECT` | Google Cloud: the project; else `GOOGLE_CLOUD_PROJECT`, else that of the credentials |
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from clef_runtime.app import App, load_app
from clef_runtime.context import SystemClock, SystemIds
from clef_runtime.deploy.clients import Clients
from clef_runtime.deploy.manifest import Manifest, load_manifest
from clef_runtime.deploy.names import Names
from clef_runtime.deploy.wiring import Wiring
from clef_runtime.engine.index import SyncIndex
from clef_runtime.errors import BadInput
from clef_runtime.model import concept_urn
from clef_runtime.serverless.cold_start import get_sync_index
from clef_runtime.serverless.service import FunctionService

_NAMED_BY = {"aws": "AWS_LAMBDA_FUNCTION_NAME", "gcp": "K_SERVICE"}
"""The variable by which a function's platform tells it its name."""


def build(environment: Mapping[str, str], clients: Clients | None = None) -> FunctionService:
    """What the function that `environment` describes does.

    Raises:
        BadInput: a variable is missing or wrong; names it.
    """
    manifest, wiring = wired(environment, clients)
    names = Names(manifest, wiring.app.name)
    function = environment.get("CLEF_FUNCTION") or given(environment, _NAMED_BY[manifest.cloud])
    if manifest.topology == "C" and function == names.evaluator:
        return wiring.evaluator()
    functions = names.functions(concept.name for concept in wiring.app.catalogue)
    if function not in functions:
        raise BadInput(f"CLEF_FUNCTION(={function!r}) must be one of {', '.join([*functions, names.evaluator])}")
    return wiring.concept_function([concept_urn(concept) for concept in functions[function]])


def wired(environment: Mapping[str, str], clients: Clients | None = None) -> tuple[Manifest, Wiring]:
    """Manifest and wiring of what `environment` describes; its cloud's real clients unless some are given."""
    manifest = load_manifest(given(environment, "CLEF_MANIFEST"))
    app = load_app(environment.get("CLEF_APP") or manifest.app or given(environment, "CLEF_APP"))
    if clients is None:
        clients = _clients(manifest, environment)
    return manifest, Wiring(manifest, app, index_of(environment, app), clients, SystemClock(), SystemIds())


def _clients(manifest: Manifest, environment: Mapping[str, str]) -> Clients:
    urls, engine = _urls(environment), environment.get("CLEF_ENGINE_URL", "")
    if manifest.cloud == "gcp":
        from clef_runtime.deploy.google_clients import GoogleClients

        project = environment.get("CLEF_PROJECT") or environment.get("GOOGLE_CLOUD_PROJECT", "")
        return GoogleClients(urls, engine, project=project)
    from clef_runtime.deploy.aws_clients import AwsClients

    return AwsClients(urls, engine)


def index_of(environment: Mapping[str, str], app: App) -> SyncIndex:
    """The app's index: from the artifact, which a cold start reads without parsing, else from its sources."""
    artifact = environment.get("CLEF_ARTIFACT")
    if artifact:
        return get_sync_index(Path(artifact), app.functions)
    from clef_runtime.language import load_paths

    return SyncIndex(load_paths(app.syncs, app.functions), app.functions)


def given(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name, "")
    if not value:
        raise BadInput(f"the environment variable {name} is not set; see clef_runtime.serverless.entry")
    return value


def _urls(environment: Mapping[str, str]) -> dict[str, str]:
    text = environment.get("CLEF_FUNCTION_URLS") or "{}"
    try:
        return msgspec.json.decode(text, type=dict[str, str])
    except msgspec.MsgspecError as error:
        raise BadInput(f"CLEF_FUNCTION_URLS must be JSON, function name -> URL: {error}") from error
