"""The artifact: loads without parsing, and refuses what it cannot trust."""

import subprocess
import sys
from pathlib import Path

import pytest

from clef_runtime.errors import BadInput
from clef_runtime.language import load_paths, read_artifact, write_artifact

CASES = Path(__file__).parent / "sync_cases"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_artifact(load_paths([CASES]), tmp_path / "syncs.json")
    return tmp_path / "syncs.json"


def test_artifact_comes_back_from_file_and_bytes(path: Path) -> None:
    syncs = tuple(load_paths([CASES]))
    assert read_artifact(path).syncs == read_artifact(str(path)).syncs == syncs
    assert read_artifact(path.read_bytes()) == read_artifact(path)


def test_equal_syncs_give_equal_bytes(path: Path, tmp_path: Path) -> None:
    write_artifact(load_paths([CASES]), tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == path.read_bytes()
    other = write_artifact(load_paths([CASES])[:1], tmp_path / "other.json")
    assert other.hash != read_artifact(path).hash


def test_reading_an_artifact_imports_no_parser(path: Path) -> None:
    code = (
        "import sys; from clef_runtime.language import read_artifact, from_exchange, to_exchange\n"
        f"syncs = read_artifact({str(path)!r}).syncs\n"
        "assert all(from_exchange(to_exchange(sync)) == sync for sync in syncs)\n"
        "assert 'lark' not in sys.modules, 'lark was imported'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b'{"format":1', b'{"format":2', r"format\(=2\) must be 1; compile the syncs again with this version"),
        (b"urn:clef/Web", b"urn:clef/Wep", "its hash does not fit its syncs"),
        (b"]}", b"", "is not an artifact of compiled syncs"),
        (b'{"format"', b'["format"', "is not an artifact"),
    ],
)
def test_artifact_that_is_not_as_written_is_refused(path: Path, old: bytes, new: bytes, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        read_artifact(path.read_bytes().replace(old, new))


@pytest.mark.parametrize(
    "raw", [b"", b"{}", b"null", b"\xff\xfe", b'{"format":1,"hash":"","syncs":[{}]}', b"[" * 100_000]
)
def test_bytes_that_are_no_artifact_are_refused(raw: bytes) -> None:
    with pytest.raises(BadInput, match="compile the syncs again"):
        read_artifact(raw)


def test_missing_or_unwritable_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        read_artifact(tmp_path / "none.json")
    with pytest.raises(BadInput, match="cannot be written"):
        write_artifact([], tmp_path / "none" / "x.json")
