"""Timestamps and ids that are written out for speed agree with what they stand for."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clef_runtime.context import iso
from clef_runtime.model import completion_id, derive_id


@given(st.floats(-2e9, 4e9))
@example(1_767_225_600.0)
@example(1_767_225_600.9999996)
@example(1_767_225_600.0005)
@example(-0.25)
def test_iso_is_what_datetime_says(epoch_s: float) -> None:
    expected = datetime.fromtimestamp(epoch_s, UTC).isoformat(timespec="milliseconds")
    assert iso(epoch_s) == expected.removesuffix("+00:00") + "Z"


@pytest.mark.parametrize("invocation", ["", "a", "1:2", "ü" * 300])
def test_completion_id_is_derived_like_every_id(invocation: str) -> None:
    assert completion_id(invocation) == derive_id("completion", invocation)
