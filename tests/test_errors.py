"""Errors say what, where and what to do, and survive the way to another process."""

import concurrent.futures
import multiprocessing
import pickle

import pytest

import biomask as bm
from biomask.errors import listed, raise_together

KINDS = [
    bm.ReadError,
    bm.MaskError,
    bm.AlignmentError,
    bm.DataError,
    bm.ArgumentError,
    bm.ModelError,
    bm.StorageError,
]


def full(kind=bm.ReadError):
    return kind(
        "no tabs",
        code="E-GMT-TABS",
        file="sets.gmt",
        line=3,
        column="gene",
        genes=[f"G{i}" for i in range(12)],
        hint="Save as tab-separated.",
    )


def test_text_has_every_part_in_order():
    shown = ", ".join(f"'G{i}'" for i in range(10))
    assert str(full()) == (
        f"sets.gmt:3: no tabs (column gene): {shown} and 2 more. Save as tab-separated. "
        "[E-GMT-TABS]"
    )


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ({}, "wrong. [E]"),
        ({"file": "x"}, "x: wrong. [E]"),
        ({"file": "x", "line": 1}, "x:1: wrong. [E]"),
        ({"line": 1}, "1: wrong. [E]"),
        ({"column": 0}, "wrong (column 0). [E]"),
        ({"genes": ["A"]}, "wrong: 'A'. [E]"),
        ({"hint": "Do it."}, "wrong. Do it. [E]"),
    ],
)
def test_text_of_few_parts(parts, text):
    assert str(bm.BiomaskError("wrong", code="E", **parts)) == text


def test_text_does_not_repeat_a_full_stop():
    assert str(bm.BiomaskError("wrong!", code="E")) == "wrong! [E]"


def test_attributes():
    error = full()
    assert (error.code, error.file, error.line, error.column) == (
        "E-GMT-TABS",
        "sets.gmt",
        3,
        "gene",
    )
    assert len(error.genes) == 12  # all of them, not the ten that are shown
    assert error.hint == "Save as tab-separated."
    assert error.problems == [error]
    plain = bm.BiomaskError("wrong", code="E", genes=[1, None])
    assert (plain.file, plain.line, plain.column, plain.hint) == (None, None, None, "")
    assert plain.genes == ["1", "None"]


@pytest.mark.parametrize("kind", KINDS)
def test_kinds(kind):
    assert issubclass(kind, bm.BiomaskError)
    assert issubclass(kind, ValueError)


def assert_same(back, error):
    assert type(back) is type(error)
    assert str(back) == str(error)
    for name in ("problem", "code", "file", "line", "column", "genes", "hint"):
        assert getattr(back, name) == getattr(error, name)


@pytest.mark.parametrize("kind", KINDS)
def test_pickling(kind):
    back = pickle.loads(pickle.dumps(full(kind)))
    assert_same(back, full(kind))
    assert back.problems == [back]


def together():
    second = bm.ReadError("empty", code="E-EMPTY", file="sets.gmt", line=7, genes=["G1", "X"])
    with pytest.raises(bm.ReadError) as caught:
        raise_together([full(), second])
    return caught.value


def test_pickling_of_several_problems():
    error = together()
    back = pickle.loads(pickle.dumps(error))
    assert_same(back, error)
    for one, other in zip(back.problems, error.problems, strict=True):
        assert_same(one, other)


def raise_full():
    raise full(bm.DataError)


def test_error_crosses_a_process():
    context = multiprocessing.get_context("spawn")
    with (
        concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool,
        pytest.raises(bm.DataError) as caught,
    ):
        pool.submit(raise_full).result()
    assert_same(caught.value, full(bm.DataError))


# ------------------------------------------------------------------------ several at once


def test_nothing_to_raise():
    raise_together([])


def test_one_problem_is_raised_itself():
    error = full()
    with pytest.raises(bm.ReadError) as caught:
        raise_together([error])
    assert caught.value is error


def test_several_problems_are_told_together():
    error = together()
    lines = str(error).split("\n")
    assert lines[0] == "sets.gmt: 2 problems [E-GMT-TABS]"
    assert lines[1].startswith("  sets.gmt:3: no tabs")
    assert lines[2] == "  sets.gmt:7: empty: 'G1', 'X'. [E-EMPTY]"
    assert len(error.problems) == 2
    assert error.genes == [*(f"G{i}" for i in range(12)), "X"]  # each once
    assert (error.file, error.line) == ("sets.gmt", 3)


def test_many_problems_are_counted():
    problems = [bm.MaskError("wrong", code=f"E{i}", line=i) for i in range(13)]
    with pytest.raises(bm.MaskError) as caught:
        raise_together(problems)
    lines = str(caught.value).split("\n")
    assert len(lines) == 12
    assert lines[-1] == "  and 3 more"
    assert len(caught.value.problems) == 13


def test_problems_of_several_files_name_none_first():
    problems = [bm.ReadError("wrong", code="E", file=name) for name in ("a", "b")]
    with pytest.raises(bm.ReadError) as caught:
        raise_together(problems)
    assert str(caught.value).split("\n")[0] == "2 problems [E]"


@pytest.mark.parametrize(
    ("names", "text"),
    [([], ""), (["a"], "'a'"), ([1, "b"], "'1', 'b'"), ("abc", "'a', 'b' and 1 more")],
)
def test_listed(names, text):
    assert listed(names, 2) == text
