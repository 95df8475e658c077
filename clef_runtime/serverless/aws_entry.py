"""The module that a deployed Lambda function names as its handler: `clef_runtime.serverless.aws_entry.handler`.
`entry` lists what it reads from the environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from clef_runtime.deploy.manifest import load_manifest
from clef_runtime.model import Record
from clef_runtime.serverless.cold_start import create_module_initializer
from clef_runtime.serverless.entry import build, given
from clef_runtime.serverless.lambda_handler import Handler, make_handler


def _build_handler() -> Handler:
    manifest = load_manifest(given(os.environ, "CLEF_MANIFEST"))
    partial = manifest.transport.partial_batch_responses
    return make_handler(build(os.environ), partial_batch_responses=partial)


_handler = create_module_initializer(_build_handler)


def handler(event: Mapping[str, Any], context: Any = None) -> Record:
    """The entry. The first call builds what this instance keeps; where that fails, the next tries again."""
    return _handler()(event, context)
