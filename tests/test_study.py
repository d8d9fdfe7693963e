"""Study: tables worked out by hand, what is said with them, and files that keep every bit."""

from __future__ import annotations

import dataclasses
import io
import json
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import biomask as bm
from biomask.errors import StorageError
from biomask.inference import assembly, crossfit
from biomask.inference.labels import read_samples
from biomask.inference.scores import score
from biomask.inference.training import Settings
from biomask.storage import read_zip, write_zip

TABLES = ("pathways", "edges", "scores", "null", "predictions", "activity", "effects")
SETS = {
    "<b>one</b> & \"two\" 'é'": ["g0", "g1", "g2", "g3"],
    "twin": ["g4", "g5", "g6", "g7", "g8"],
    "twin again": ["g4", "g5", "g6", "g7", "g8"],
    "Z": ["g9", "g0"],
}


def made(
    y,
    task: str = "binary",
    *,
    permutations: int = 19,
    effects: np.ndarray | None = None,
    seeds: int = 2,
    folds: int = 2,
    index=None,
) -> bm.Study:
    """A study whose networks were never trained: the blocks hold chosen or random numbers.

    `effects` are the sums of a fold, (label vectors, seeds, pathways), the same in each.
    """
    mask, rng = bm.Mask.from_sets(SETS), np.random.default_rng(0)
    n, P = len(y), mask.shape[1]
    X = pd.DataFrame(rng.normal(size=(n, 10)), columns=mask.genes, index=index)
    samples = read_samples(mask, X, y, task)
    n_classes = len(samples.classes) if task == "multiclass" else None
    settings = Settings(task, n_classes, "tanh", 5, 64, 1e-3, 0.5, 1e-3)
    plan = crossfit.make_plan(mask, samples, settings, folds, seeds, permutations, 0)
    C, blocks = n_classes or 1, []
    for block in plan.blocks:
        held = len(plan.held_out[block.fold])
        random = rng.normal(size=(plan.labels_a_block, seeds, P))
        blocks.append(
            {
                "effects": random if effects is None else effects,
                "outputs": rng.normal(size=(held, seeds, C)).astype(np.float32),
                "direction": rng.normal(size=(seeds, P, C) if n_classes else (seeds, P)),
                "orientation": rng.normal(size=(seeds, P)),
                "edges": rng.normal(size=(mask.n_edges, seeds)),
            }
        )
    facts = crossfit._facts(plan, samples, mask)
    parts = [rng.normal(size=(len(held), P)).astype(np.float32) for held in plan.held_out]
    activity = assembly.activity_table(plan, samples, parts, mask.pathways)
    study = assembly.assemble(plan, samples, blocks, facts, activity)
    edges = rng.normal(size=(len(plan.vectors), mask.n_edges))
    study = assembly.with_edges(study, plan, np.arange(mask.n_edges), edges, blocks)
    return assembly.in_given_order(study, mask, samples)


def labels(n: int = 20) -> np.ndarray:
    return np.arange(n) % 2


@pytest.fixture(scope="module")
def study():
    return made(labels())


# ---------------------------------------------------------------------------- the tables


def test_effects_p_values_and_the_null_by_hand():
    sums = np.zeros((20, 2, 4))
    sums[:, :, 1] = np.arange(20, 0, -1)[:, None]  # the real labels have the largest effect
    sums[:, :, 2] = np.arange(20)[:, None]  # the smallest
    sums[:, :, 3] = np.where(np.arange(20) < 5, 3, 1)[:, None]  # four ties with the real ones
    sums[0, :, 1] += [-4, 4]  # seeds are averaged
    table = made(labels(20), effects=sums).pathways
    # 20 samples in two folds: the effect is (sum + sum) / 20
    np.testing.assert_allclose(table["effect"], [0, 2.0, 0, 0.3])
    np.testing.assert_allclose(table["p"], [1, 1 / 20, 1, 5 / 20])
    np.testing.assert_allclose(table["null_mean"], [0, 1.0, 1.0, (4 * 0.3 + 15 * 0.1) / 19])
    np.testing.assert_allclose(table["null_low"].iloc[1], np.quantile(np.arange(1, 20) / 10, 0.05))
    np.testing.assert_allclose(table["q"], [1, 0.2, 1, 0.5])
    assert table["size"].tolist() == [4, 5, 5, 2]
    assert table["not_separable"].tolist() == [pd.NA, 1, 1, pd.NA]
    assert table["p_fwer"].iloc[0] == 1, "what never changes cannot be significant"


def test_effects_of_folds_and_seeds_average_to_those_of_the_study():
    sums = np.zeros((20, 2, 4))
    sums[0] = [[1, 2, 3, 4], [9, 8, 7, 6]]
    study = made(labels(20), effects=sums)
    # ten samples a fold; rows as in the scores: fold 0 with seeds 0 and 1, then fold 1
    np.testing.assert_allclose(study.effects.iloc[:2], sums[0] / 10)
    np.testing.assert_allclose(study.effects.iloc[2:], sums[0] / 10)
    assert study.scores[["fold", "seed"]].to_numpy().tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    np.testing.assert_allclose(study.effects.mean(), study.pathways["effect"])
    assert list(study.effects.columns) == list(study.pathways.index)


def test_ranks_and_stability_by_hand():
    sums = np.zeros((1, 2, 4))
    sums[0] = [[4, 3, 2, 1], [4, 3, 1, 2]]  # the two seeds swap the last two
    study = made(labels(), permutations=0, effects=sums)
    assert study.pathways["rank_median"].tolist() == [1, 2, 3.5, 3.5]
    assert study.stability["seeds"] == pytest.approx(0.8)  # Spearman: 1 - 6 * 2 / (4 * 15)
    assert study.stability["folds"] == pytest.approx(1)
    assert study.stability["top"] == 2
    assert study.stability["top_index"] == pytest.approx(1)
    assert study.pathways["p"].tolist() == [1] * 4  # without permutations nothing is significant
    assert not study.pathways["selected"].any()


def test_a_direction_is_the_mean_over_folds_by_size_and_passes_over_a_fold_without_one():
    directions = [np.array([[1.0, 2, np.nan, np.nan]]), np.array([[2.0, np.nan, 4, np.nan]])]

    class TwoFolds:
        held_out = (np.arange(3), np.arange(3, 5))

    first = {f: {"direction": d} for f, d in enumerate(directions)}
    found = assembly._directions(TwoFolds, first, [])["direction"]
    np.testing.assert_allclose(found, [(3 * 1 + 2 * 2) / 5, 2, 4, np.nan])


def test_several_classes_have_a_column_each_whatever_they_are_called():
    study = made(["y", "fold", "x"] * 6, "multiclass", permutations=2)
    names = ["prediction_fold", "prediction_x", "prediction_y"]
    assert study.predictions.columns.tolist() == ["y", "fold", *names]
    np.testing.assert_allclose(study.predictions[names].sum(axis=1), 1, rtol=1e-6)
    assert {"direction_fold", "direction_x", "direction_y"} <= set(study.pathways)


def test_a_score_of_a_fold_with_one_class_has_no_auc():
    found = score(np.ones(3), np.array([[1e4], [0.0], [2.0]]), "binary")
    assert np.isnan(found["auc"])
    assert found["log_loss"] == pytest.approx((0 + np.log(2) + np.log1p(np.exp(-2))) / 3)
    assert found["accuracy"] == pytest.approx(2 / 3)  # a tie goes to class 0


# ---------------------------------------------------------------------------- what is said


def test_three_against_three_says_that_no_p_can_reach_the_level():
    study = made([0, 0, 0, 1, 1, 1])
    assert len(study.null) == 9  # of 20 ways to deal the labels, ten are different questions
    assert study.notes[0] == (
        "no p can reach 0.05 with 3 against 3: the labels can be dealt in only 10 different "
        "ways, so the smallest p is 0.1"
    )


def test_too_few_permutations_for_q_are_said():
    notes = made(labels(), permutations=19).notes
    assert any(
        note.startswith("19 permutations are too few for q") and "rely on p_fwer" in note
        for note in notes
    )
    assert not any("too few for q" in note for note in made(labels(), permutations=79).notes)


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ([1, 2, 3, 4], "the ranking is stable"),
        ([2, 1, 4, 3], "the stability of the ranking is intermediate"),  # Spearman .6
        ([2, 4, 1, 3], "the ranking is not stable"),  # Spearman 0
    ],
)
def test_the_stability_of_the_ranking_is_said(second, said):
    sums = np.array([[[1, 2, 3, 4], second]], float)
    assert said in made(labels(), permutations=0, effects=sums).notes


def test_with_one_seed_no_stability_is_claimed():
    assert any("was not assessed" in note for note in made(labels(), seeds=1).notes)


def test_the_number_of_selected_pathways_is_said():
    sums = np.tile(np.arange(20.0)[::-1, None, None], (1, 2, 4))
    study = made(labels(), effects=sums)
    assert study.pathways["selected"].all()
    assert "4 of 4 pathways are selected (p_fwer or q at most 0.05)" in study.notes


# ---------------------------------------------------------------------------- files


def assert_same(a: bm.Study, b: bm.Study) -> None:
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(a, name), getattr(b, name), check_exact=True)
        assert getattr(a, name).columns.tolist() == getattr(b, name).columns.tolist()
    pd.testing.assert_series_equal(a.stability, b.stability, check_exact=True)
    assert a.mask == b.mask
    assert a.settings == b.settings
    assert a.notes == b.notes


@pytest.mark.parametrize(
    ("y", "task", "index"),
    [
        (labels(), "binary", None),
        (labels() == 1, "binary", [f"s{k}" for k in range(20)]),
        (np.where(labels(), "case", "control"), "binary", range(5, 25)),
        (pd.Categorical(list("abcde") * 4), "multiclass", [f"<{k}>" for k in range(20)]),
        (np.linspace(-1, 1e-9, 20), "regression", pd.date_range("2020-01-01", periods=20)),
    ],
)
def test_what_is_saved_is_what_is_read(tmp_path, y, task, index):
    study = made(y, task, index=index)
    study.save(tmp_path / "s.biomask")
    assert_same(bm.load_study(tmp_path / "s.biomask"), study)


def test_the_same_study_has_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        made(labels()).save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    bm.load_study(tmp_path / "a").save(tmp_path / "c")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "c").read_bytes()


def test_a_file_written_without_the_effects_of_seeds_is_read(study, tmp_path):
    study.save(tmp_path / "s")
    manifest, members = read_zip(tmp_path / "s")
    older = {name: content for name, content in members.items() if "effects" not in name}
    write_zip(tmp_path / "t", older, {k: v for k, v in manifest.items() if k != "members"})
    found = bm.load_study(tmp_path / "t")
    assert found.effects.empty
    assert_same(found.replace(effects=study.effects), study)


@pytest.mark.parametrize(
    ("member", "content"),
    [
        ("pathways.json", b"[]"),
        ("edges.json", b"{}"),
        ("null.npy", b"nonsense"),
        ("mask.json", b"{}"),
        ("scores.json", json.dumps({"index": {"values": [1, 2]}, "columns": []}).encode()),
        ("stability.json", None),
    ],
)
def test_a_study_with_sound_hashes_and_unsound_content_is_refused(study, tmp_path, member, content):
    study.save(tmp_path / "s")
    manifest, members = read_zip(tmp_path / "s")
    if content is None:
        del members[member]
    else:
        members[member] = content
    write_zip(tmp_path / "t", members, manifest)
    with pytest.raises(StorageError):
        bm.load_study(tmp_path / "t")


KINDS = pd.DataFrame(
    {
        "small": np.array([-7, 300], "int16"),
        "count": np.array([1, 2], "uint8"),
        "share": np.array([0.1, 0.25], "float32"),
        "effect": [0.1, 1e-300],
        "yes": [True, False],
        "group": pd.array([3, pd.NA], "Int64"),
        "name": ["é", "b"],
        "seen": pd.to_datetime(["2020-01-01", "2021-02-03"]),
    },
    index=pd.Index([5, 6], name="fold"),
)


def test_tables_are_written_with_their_types(study, tmp_path):
    study.replace(scores=KINDS).save(tmp_path / "s")
    manifest, members = read_zip(tmp_path / "s")
    assert manifest == {
        "kind": "biomask study",
        "schema": 1,
        "settings": study.settings,
        "notes": study.notes,
    }
    names = [f"{name}.json" for name in (*TABLES, "stability", "mask")]
    assert sorted(members) == sorted([*names, "null.npy", "activity.npy", "effects.npy"])
    assert json.loads(members["scores.json"]) == {
        "index": {"name": "fold", "dtype": "int64", "values": [5, 6]},
        "columns": [
            {"name": "small", "dtype": "int16", "values": [-7, 300]},
            {"name": "count", "dtype": "uint8", "values": [1, 2]},
            {"name": "share", "dtype": "float32", "values": [float(np.float32(0.1)), 0.25]},
            {"name": "effect", "dtype": "float64", "values": [0.1, 1e-300]},
            {"name": "yes", "dtype": "bool", "values": [True, False]},
            {"name": "group", "dtype": "Int64", "values": [3, None]},
            {"name": "name", "dtype": "object", "values": ["é", "b"]},
            {
                "name": "seen",
                "dtype": "object",
                "values": ["2020-01-01 00:00:00", "2021-02-03 00:00:00"],
            },
        ],
    }
    assert json.loads(members["effects.json"])["columns"] == []
    read = bm.load_study(tmp_path / "s").scores
    expected = KINDS.assign(seen=KINDS["seen"].map(str))
    pd.testing.assert_frame_equal(
        read.astype({"name": object, "seen": object}),
        expected.astype({"name": object, "seen": object}),
    )


def test_the_study_of_a_hierarchy_is_read_with_it(study, tmp_path):
    mask = bm.Mask.from_sets({"a": ["g0"], "b": ["g1"]})
    parents = pd.DataFrame({"child": ["a", "b"], "parent": ["top", "top"]})
    hierarchy = bm.Hierarchy.from_sets(mask, parents)
    units = hierarchy.pathways
    tables = {
        name: pd.DataFrame(np.eye(2, len(units)), columns=units)
        for name in ("null", "activity", "effects")
    }
    study.replace(mask=hierarchy, **tables).save(tmp_path / "s")
    found = bm.load_study(tmp_path / "s")
    assert isinstance(found.mask, bm.Hierarchy)
    assert found.mask == hierarchy
    pd.testing.assert_frame_equal(found.null, tables["null"])


def test_pickles_are_neither_written_nor_read(study, tmp_path):
    with pytest.raises(ValueError, match="allow_pickle=False"):
        study.replace(null=study.null.astype(object)).save(tmp_path / "s")
    study.save(tmp_path / "s")
    manifest, members = read_zip(tmp_path / "s")
    buffer = io.BytesIO()
    np.save(buffer, study.null.to_numpy(object), allow_pickle=True)
    write_zip(tmp_path / "t", members | {"null.npy": buffer.getvalue()}, manifest)
    with pytest.raises(StorageError, match="Object arrays cannot be loaded"):
        bm.load_study(tmp_path / "t")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"settings": None}, "the study inside is damaged: TypeError('settings are None')"),
        ({"settings": [1]}, "the study inside is damaged: TypeError('settings are [1]')"),
        ({"notes": 7}, "the study inside is damaged: TypeError(\"'int' object is not iterable\")"),
        ({"stability.json": None}, "the study inside is damaged: 'stability.json' is missing"),
        (
            {"mask.json": b'{"genes": [], "pathways": []}'},
            "the study inside is damaged: a stored mask is damaged: KeyError('n_edges')",
        ),
    ],
)
def test_what_is_wrong_inside_is_said(study, tmp_path, change, said):
    study.save(tmp_path / "s")
    manifest, members = read_zip(tmp_path / "s")
    for name, content in change.items():
        if name in manifest:
            manifest[name] = content
        elif content is None:
            del members[name]
        else:
            members[name] = content
    write_zip(tmp_path / "t", members, manifest)
    with pytest.raises(StorageError) as caught:
        bm.load_study(tmp_path / "t")
    assert caught.value.problem == said
    assert (caught.value.code, caught.value.file) == ("E-STUDY-FILE", str(tmp_path / "t"))


@pytest.mark.parametrize(
    ("settings", "needed"), [({"biomask": "9.9"}, "biomask >= 9.9"), ([], "a later biomask")]
)
def test_a_newer_file_says_what_it_needs(study, tmp_path, settings, needed):
    study.save(tmp_path / "s")
    manifest, members = read_zip(tmp_path / "s")
    write_zip(tmp_path / "t", members, manifest | {"schema": 2, "settings": settings})
    with pytest.raises(StorageError) as caught:
        bm.load_study(tmp_path / "t")
    assert caught.value.code == "E-SCHEMA"
    assert caught.value.hint == f"It needs {needed}."
    write_zip(tmp_path / "t", members, manifest | {"kind": "biomask model"})
    with pytest.raises(StorageError, match="this is a biomask model, not a biomask study"):
        bm.load_study(tmp_path / "t")


def test_a_study_opens_without_tensorflow(study, tmp_path):
    study.save(tmp_path / "s")
    code = (
        "import sys, biomask as bm\n"
        f"study = bm.load_study({str(tmp_path / 's')!r})\n"
        "study._repr_html_(), study.top(2)\n"
        "print(sorted({'tensorflow', 'keras', 'sklearn', 'joblib'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


# ---------------------------------------------------------------------------- as an object


def test_names_are_escaped_in_html(study):
    page = study.replace(notes=["1 < 2 <script>"])._repr_html_()
    assert "&lt;b&gt;one&lt;/b&gt; &amp;" in page
    assert "<b>one" not in page
    assert "<script>" not in page
    assert "1 &lt; 2" in page


def test_a_study_cannot_be_changed_by_accident(study, tmp_path):
    before = {name: getattr(study, name).copy() for name in TABLES}
    with pytest.raises(dataclasses.FrozenInstanceError):
        study.pathways = None
    other = study.replace(notes=[])
    assert study.notes
    assert not other.notes
    study.top(1), study._repr_html_(), repr(study), study.save(tmp_path / "s")
    for name, table in before.items():
        pd.testing.assert_frame_equal(getattr(study, name), table, check_exact=True)


def test_top_orders_by_effect(study):
    effects = study.top(3)["effect"]
    assert effects.tolist() == sorted(study.pathways["effect"], reverse=True)[:3]


def test_repr_counts(study):
    assert repr(study) == "Study(4 pathways, 20 samples, 2 folds x 2 seeds x 20 label vectors)"


def many(study, n: int = 60) -> bm.Study:
    """A study of n pathways, 20 of each effect."""
    table = pd.DataFrame(
        {"effect": np.arange(n) % 3 + 1 / 3, "size": 7}, [f"P{k}" for k in range(n)]
    )
    columns = dict.fromkeys(["p", "p_fwer", "q", "rank_low", "rank_high"], 0.123456)
    return study.replace(pathways=table.assign(**columns, direction=0.5))


def test_top_keeps_the_order_of_equal_effects(study):
    found = many(study)
    assert found.top(22).index.tolist() == [
        *[f"P{k}" for k in range(2, 60, 3)],
        "P1",
        "P4",
    ]
    assert len(found.top()) == 10


def test_large_numbers_are_grouped(study):
    found = many(study, 1200).replace(settings=study.settings | {"samples": 12345})
    assert (
        repr(found) == "Study(1,200 pathways, 12,345 samples, 2 folds x 2 seeds x 20 label vectors)"
    )


def test_the_page_of_a_study(study):
    found = many(study).replace(notes=["one & two", "three"])
    page = found._repr_html_()
    assert page.startswith(
        f"<p><b>{found!r}</b></p><ul><li>one &amp; two</li><li>three</li></ul><table"
    )
    cells = re.findall(r"<t[hd]>(.*?)</t[hd]>", page)
    assert cells[:8] == ["", "size", "effect", "p", "p_fwer", "q", "rank_low", "rank_high"]
    assert cells[8:16] == ["P2", "7", "2.33", *["0.123"] * 5]
    assert len(cells) == 8 * 11  # ten pathways below the names


def test_studies_are_told_apart_as_objects(study):
    assert len({study, study.replace()}) == 2
