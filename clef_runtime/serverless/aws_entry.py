"""The module that a deployed Lambda function names as its handler: `clef_runtime.serverless.aws_entry.handler`.

| variable | holds |
| --- | --- |
| `CLEF_MANIFEST` | the manifest's file or a template's name |
| `CLEF_APP` | the app's module; else the manifest's |
| `CLEF_ARTIFACT` | file of the compiled syncs (`write_artifact`); else the app's `.sync` files are read |
| `CLEF_FUNCTION` | which function this is; else `AWS_LAMBDA_FUNCTION_NAME` |
| `CLEF_FUNCTION_URLS` | JSON: function name -> URL (options A and B) |
| `CLEF_ENGINE_URL` | option A's engine |
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from clef_runtime.app import App, load_app
from clef_runtime.context import SystemClock, SystemIds
from clef_runtime.deploy.aws_clients import AwsClients
from clef_runtime.deploy.manifest import Manifest, load_manifest
from clef_runtime.deploy.names import Names
from clef_runtime.deploy.wiring import Clients, Wiring
from clef_runtime.engine.index import SyncIndex
from clef_runtime.errors import BadInput
from clef_runtime.model import Record, concept_urn
from clef_runtime.serverless.cold_start import create_module_initializer, get_sync_index
from clef_runtime.serverless.lambda_handler import Handler, make_handler
from clef_runtime.serverless.service import FunctionService


def build(environment: Mapping[str, str], clients: Clients | None = None) -> FunctionService:
    """What the function that `environment` describes does.

    Raises:
        BadInput: a variable is missing or wrong; names it.
    """
    manifest, wiring = wired(environment, clients)
    names = Names(manifest, wiring.app.name)
    function = environment.get("CLEF_FUNCTION") or _given(environment, "AWS_LAMBDA_FUNCTION_NAME")
    if manifest.topology == "C" and function == names.evaluator:
        return wiring.evaluator()
    functions = names.functions(concept.name for concept in wiring.app.catalogue)
    if function not in functions:
        raise BadInput(f"CLEF_FUNCTION(={function!r}) must be one of {', '.join([*functions, names.evaluator])}")
    return wiring.concept_function([concept_urn(concept) for concept in functions[function]])


def wired(environment: Mapping[str, str], clients: Clients | None = None) -> tuple[Manifest, Wiring]:
    """Manifest and wiring of what `environment` describes; real clients unless some are given."""
    manifest = load_manifest(_given(environment, "CLEF_MANIFEST"))
    app = load_app(environment.get("CLEF_APP") or manifest.app or _given(environment, "CLEF_APP"))
    if clients is None:
        clients = AwsClients(_urls(environment), environment.get("CLEF_ENGINE_URL", ""))
    return manifest, Wiring(manifest, app, index_of(environment, app), clients, SystemClock(), SystemIds())


def index_of(environment: Mapping[str, str], app: App) -> SyncIndex:
    """The app's index: from the artifact, which a cold start reads without parsing, else from its sources."""
    artifact = environment.get("CLEF_ARTIFACT")
    if artifact:
        return get_sync_index(Path(artifact), app.functions)
    from clef_runtime.language import load_paths

    return SyncIndex(load_paths(app.syncs, app.functions), app.functions)


def _given(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name, "")
    if not value:
        raise BadInput(f"the environment variable {name} is not set; see clef_runtime.serverless.aws_entry")
    return value


def _urls(environment: Mapping[str, str]) -> dict[str, str]:
    text = environment.get("CLEF_FUNCTION_URLS") or "{}"
    try:
        return msgspec.json.decode(text, type=dict[str, str])
    except msgspec.MsgspecError as error:
        raise BadInput(f"CLEF_FUNCTION_URLS must be JSON, function name -> URL: {error}") from error


def _build_handler() -> Handler:
    manifest = load_manifest(_given(os.environ, "CLEF_MANIFEST"))
    partial = manifest.transport.partial_batch_responses
    return make_handler(build(os.environ), partial_batch_responses=partial)


_handler = create_module_initializer(_build_handler)


def handler(event: Mapping[str, Any], context: Any = None) -> Record:
    """The entry. The first call builds what this instance keeps; where that fails, the next tries again."""
    return _handler()(event, context)
