"""An app: concepts, the syncs that connect them, the routes that open flows."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from clef_runtime.concept import Catalogue, Concept
from clef_runtime.errors import BadInput
from clef_runtime.web import Route


class App:
    """What a deploy manifest names and a topology runs.

    Args:
        name: short, lower case; names tables and queues.
        concepts: `Web` among them where the app is reached over HTTP.
        syncs: `.sync` files, or folders of them.
        routes: tried in order.
        functions: further functions that sync expressions may call. They must be pure.
    """

    def __init__(
        self,
        name: str,
        concepts: Iterable[Concept],
        syncs: Iterable[Path],
        *,
        routes: Iterable[Route] = (),
        functions: Mapping[str, Callable[..., Any]] | None = None,
    ) -> None:
        self.name = name
        self.catalogue = Catalogue(concepts)
        self.syncs = tuple(syncs)
        self.routes = tuple(routes)
        self.functions = dict(functions or {})


def load_app(module: str) -> App:
    """Imports `module` and returns its `app`.

    Raises:
        BadInput: the module does not import, or has no `app` of type `App`.
    """
    try:
        found = importlib.import_module(module)
    except Exception as error:
        raise BadInput(f"app(={module!r}) does not import: {type(error).__name__}: {error}") from error
    app = getattr(found, "app", None)
    if not isinstance(app, App):
        raise BadInput(f"app(={module!r}): the module must define `app = App(...)`; it holds {type(app).__name__}")
    return app
