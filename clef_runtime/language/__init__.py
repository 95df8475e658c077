"""The sync language: text -> compiled syncs -> artifact. Lark is imported only where text is read."""

from clef_runtime.language.artifact import Artifact, read_artifact, write_artifact
from clef_runtime.language.exchange import from_exchange, to_exchange
from clef_runtime.language.findings import Finding
from clef_runtime.language.load import check_paths, load_paths, parse_text

__all__ = [
    "Artifact",
    "Finding",
    "check_paths",
    "from_exchange",
    "load_paths",
    "parse_text",
    "read_artifact",
    "to_exchange",
    "write_artifact",
]
