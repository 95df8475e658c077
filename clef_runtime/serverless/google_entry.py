"""The module from which a deployed Cloud Function's source takes its entry point; `entry` lists what it reads from
the environment. Its `main.py`:

    from clef_runtime.serverless.google_entry import http

and `gcloud functions deploy .. --entry-point http --trigger-http`, with a push subscription to the path
`/_clef/messages` in option C; or `event` with `--trigger-topic`, for a function that only takes messages.
"""

from __future__ import annotations

import os

from clef_runtime.serverless.cloud_function_handler import make_event_handler, make_http_handler
from clef_runtime.serverless.entry import build
from clef_runtime.serverless.service import FunctionService


def _build() -> FunctionService:
    return build(os.environ)


http = make_http_handler(_build)
"""Answers requests, and takes pushed messages."""

event = make_event_handler(_build)
"""Takes messages as CloudEvents."""
