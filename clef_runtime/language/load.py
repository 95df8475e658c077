"""From `.sync` files to compiled syncs, and to what there is to say about them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from clef_runtime.errors import BadInput, SyncSyntaxError
from clef_runtime.language.check import check_expressions, check_set, check_sync
from clef_runtime.language.compiled import CompiledSync
from clef_runtime.language.findings import Finding, finding_of
from clef_runtime.language.places import line_text, place


def parse_text(text: str, file: str = "<text>") -> list[CompiledSync]:
    """The syncs of a text. Which functions there are is not looked at.

    Raises:
        SyncSyntaxError: the text is not in the language; says where, what was found and expected. Definite.
    """
    from clef_runtime.language.parser import parse

    return parse(text, file)


def load_paths(paths: Iterable[Path], functions: Collection[str] | None = None) -> list[CompiledSync]:
    """The syncs of files and folders, in the order of the paths, those of a folder by file name.

    Args:
        paths: files, or folders whose `*.sync` files are read, subfolders included. A file is read once.
        functions: the functions that the app registers beside the built-in ones. None where no app is known:
            then calls of unknown functions are let through, and the engine refuses them.

    Raises:
        SyncSyntaxError: a file that is not in the language or, where `functions` is given, a call of an unknown
            function or an expression that cannot be read. Definite.
        BadInput: a path that does not exist or cannot be read. Definite.
    """
    syncs: list[CompiledSync] = []
    for path in sync_files(paths):
        text = read_text(path)
        found = parse_text(text, str(path))
        if functions is not None:
            for finding in check_expressions(found, text, functions):
                raise finding.as_error()
        syncs.extend(found)
    return syncs


def check_paths(
    paths: Iterable[Path],
    functions: Collection[str] | None = (),
    catalogue: Mapping[str, set[str]] | None = None,
) -> list[Finding]:
    """Everything there is to say about files and folders, by file, line and column. Never raises for what a
    file holds; a path that does not exist is a finding as well.

    Args:
        paths, functions: as in `load_paths`; with functions None, unknown functions are warnings.
        catalogue: the actions of each concept of the app, by URN or name. None where no app is known: then
            concepts and actions are not looked at, and a name that two syncs share is a warning.
    """
    findings: list[Finding] = []
    syncs: list[CompiledSync] = []
    for given in paths:
        try:
            files = list(sync_files([given]))
        except BadInput as error:
            findings.append(Finding(str(given), 1, 1, "error", "path", str(error)))
            continue
        for path in files:
            try:
                text = read_text(path)
                found = parse_text(text, str(path))
            except SyncSyntaxError as error:
                findings.append(finding_of(error))
                continue
            except BadInput as error:
                findings.append(Finding(str(path), 1, 1, "error", "path", str(error)))
                continue
            findings.extend(check_expressions(found, text, functions))
            for sync in found:
                findings.extend(check_sync(sync, text, catalogue))
            syncs.extend(found)
    findings.extend(check_set(syncs, of_app=catalogue is not None))
    return sorted(dict.fromkeys(findings))


def sync_files(paths: Iterable[Path]) -> Iterator[Path]:
    """The files that `load_paths` reads, in its order. Raises BadInput for a path with nothing to read."""
    seen: set[Path] = set()
    for path in map(Path, paths):
        if path.is_dir():
            files = sorted(path.rglob("*.sync"), key=lambda each: each.as_posix())
            if not files:
                raise BadInput(f"syncs path(={str(path)!r}) holds no .sync file; name a folder that does")
        elif path.exists():
            files = [path]
        else:
            raise BadInput(f"syncs path(={str(path)!r}) does not exist; name a .sync file or a folder of them")
        for file in files:
            key = file.resolve()
            if key not in seen and not file.is_dir():
                seen.add(key)
                yield file


def read_text(path: Path) -> str:
    """The text of a file, which must be UTF-8; a byte order mark is dropped.

    Raises:
        SyncSyntaxError: not UTF-8; names the place. Definite.
        BadInput: the file cannot be read. Definite.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise BadInput(f"syncs path(={str(path)!r}) cannot be read: {error.strerror or error}") from error
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # Where a byte order mark was dropped, `start` counts without it; so does the text below.
        before = error.object[: error.start].decode("utf-8", errors="replace")
        text = before + error.object[error.start :].decode("utf-8", errors="replace")
        line, column = place(text, len(before))
        raise SyncSyntaxError(
            f"found byte 0x{error.object[error.start]:02x}, expected UTF-8 text; save the file as UTF-8",
            file=str(path),
            line=line,
            column=column,
            text=line_text(text, line),
        ) from None
