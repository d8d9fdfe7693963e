"""Every reader, on files nobody would write: a mask or a BiomaskError, and nothing else.

A few examples here, always the same; `make fuzz` runs as many others as its minutes allow.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fuzz_targets import TARGETS, check
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))  # set by tests/fuzz/run.py
REGRESSIONS = sorted((Path(__file__).parent / "regressions").glob("*"))


@st.composite
def damaged(draw, name: str) -> bytes:
    """A file of the target with a few places overwritten, cut out or filled in."""
    target = TARGETS[name]
    raw = bytearray(draw(st.sampled_from(target.seeds())))
    for _ in range(draw(st.integers(0, 6))):
        start = draw(st.integers(0, len(raw)))
        gone = draw(st.sampled_from([0, 0, 1, 4, 30]))
        new = draw(st.one_of(st.sampled_from(target.tokens), st.binary(max_size=8)))
        raw[start : start + gone] = new
    return bytes(raw)


def inputs(name: str) -> st.SearchStrategy[bytes]:
    composed = st.lists(st.sampled_from(TARGETS[name].tokens), max_size=40).map(b"".join)
    return st.one_of(damaged(name), damaged(name), composed, st.binary(max_size=200))


@pytest.mark.parametrize("name", TARGETS)
@settings(
    max_examples=EXAMPLES or 80,
    derandomize=not EXAMPLES,
    deadline=20_000,
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def test_a_mask_or_an_error_that_says_why(name, data):
    check(name, data.draw(inputs(name)))


@pytest.mark.parametrize("name", TARGETS)
def test_the_files_that_are_damaged_here_are_sound_to_begin_with(name):
    """Else nothing would be tested behind the first check of a reader."""
    for seed in TARGETS[name].seeds():
        assert check(name, seed), seed[:80]


@pytest.mark.parametrize("path", REGRESSIONS, ids=lambda path: path.name)
def test_inputs_that_once_broke_a_reader(path):
    """Files are named TARGET-what-was-wrong."""
    check(path.name.partition("-")[0], path.read_bytes())
