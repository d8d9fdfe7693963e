"""Acceptance, rows 59 and 60: what may be asked of a network, and what of few permutations."""

from __future__ import annotations

import numpy as np
import pytest
from small_problem import CALL, problem

import biomask as bm

ATTRIBUTIONS = [bm.gene_attributions, bm.pathway_attributions]


@pytest.mark.parametrize("attributions", ATTRIBUTIONS)
def test_row_59_importance_before_training_is_refused(attributions, small_mask, small_data):
    """A model with its initial weights has no importances; after one step it may be asked."""
    X, y = small_data
    model = bm.build_model(small_mask, seed=0)
    with pytest.raises(bm.ModelError, match=r"not trained.*Call model\.fit first") as caught:
        attributions(model, X)
    assert caught.value.code == "E-UNTRAINED"
    model.train_on_batch(X.to_numpy(), y)
    assert np.isfinite(attributions(model, X.iloc[:2])).all(axis=None)


@pytest.mark.parametrize("reader", [bm.pathway_activity, *ATTRIBUTIONS])
def test_row_59_importance_on_other_data_is_refused(reader, small_mask, small_data):
    """Data that lack genes, of another width, with holes, or without samples: an error."""
    X, y = small_data
    model = bm.build_model(small_mask, seed=0)
    model.train_on_batch(X.to_numpy(), y)
    with pytest.raises(bm.DataError, match="lacks 2 of 8 genes: 'g1', 'g4'"):
        reader(model, X.drop(columns=["g1", "g4"]))
    with pytest.raises(bm.DataError, match="1 genes: 'g2'"):
        reader(model, X.assign(g2=np.nan))
    with pytest.raises(bm.DataError, match=r"shape \(48, 5\)"):
        reader(model, X.to_numpy()[:, :5])
    with pytest.raises(bm.DataError, match="no sample"):
        reader(model, X.iloc[:0])


def study_of(**changes) -> bm.Study:
    return bm.crossfit(*problem(), **{**CALL, **changes})


def test_row_60_seeds_are_no_replicates():
    """p comes from the permutations alone: without them it is 1 with however many seeds."""
    study = study_of(seeds=5, permutations=0)
    assert (study.pathways[["p", "p_fwer", "q"]] == 1).all(axis=None)
    assert not study.pathways["selected"].any()
    assert "no p can reach 0.05 with 0 permutations: the smallest p is 1; use at least 19" in (
        study.notes
    )


def test_row_60_too_few_permutations_say_the_rule():
    """Below 19 permutations no p reaches .05: nothing is selected, and the note says 19."""
    study = study_of(permutations=18, learning_rate=0.01)
    assert study.pathways["p"].min() == study.pathways["p_fwer"].min() == 1 / 19  # as low as it can
    assert not study.pathways["selected"].any()
    assert "no p can reach 0.05 with 18 permutations: the smallest p is 0.053; use at least 19" in (
        study.notes
    )


def test_row_60_too_few_permutations_for_q_say_the_rule():
    """B >= P / .05 - 1 = 99 for 5 pathways: with 19 the note says so and points to p_fwer."""
    told = [note for note in study_of(permutations=19).notes if "too few for q" in note]
    assert told == [
        "19 permutations are too few for q: they cannot bring fewer than 5 of the 5 pathways "
        "together to q <= 0.05 (99 permutations could); rely on p_fwer"
    ]


def test_row_60_too_few_samples_say_the_rule():
    """3 against 3 samples can be dealt in 10 ways, and no p below .1 is ever shown."""
    mask, X, y = problem()
    few = y.groupby(y).head(3).index
    study = bm.crossfit(mask, X.loc[few], y[few], **{**CALL, "permutations": 99})
    assert len(study.null) == 9
    assert study.pathways["p"].min() >= 0.1
    assert study.notes[0] == (
        "no p can reach 0.05 with 3 against 3: the labels can be dealt in only 10 different "
        "ways, so the smallest p is 0.1"
    )
