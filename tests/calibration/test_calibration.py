"""The checks of the statistics on few data sets; `make calibrate` runs them on many.

Few data sets have wide intervals, computed and not chosen. Guards must fail where they should:
a test that is always calibrated would not notice a permutation that is wrong.
"""

from experiments import (
    Design,
    annotation_set,
    batch_set,
    collect,
    decoy_set,
    edge_set,
    identical_set,
    null_set,
    planted_set,
    subject_set,
    three_against_three,
)
from summaries import (
    decoy_rates,
    edge_errors,
    false_alarms,
    interval,
    power,
    trend,
    type_one,
)

SMALL = Design(n=60)


def test_interval_by_hand():
    # 10 coins: 0 and 10 heads have probability .001 each, 1 and 9 heads .0107 together with them
    assert interval(0.5, 10) == (0.1, 0.9)


def test_null():
    """N0, N1."""
    table = collect(null_set, 16, design=SMALL)
    for alpha in (0.05, 0.1):
        rate, low, high = type_one(table, alpha)
        assert low <= rate <= high
    rate, limit = false_alarms(table)
    assert rate <= limit
    for column in ("size", "degree"):
        rho, half = trend(table, column)
        assert abs(rho) < max(0.05, half)


def test_batch():
    """N2: permuting over batches is the guard."""
    rate, low, high = type_one(collect(batch_set, 5, stratified=True, design=SMALL), 0.05)
    assert low <= rate <= high
    across = collect(batch_set, 4, stratified=False, design=Design(n=200))
    assert type_one(across, 0.05)[0] > interval(0.05, len(across))[1]


def test_subjects():
    """N3: permuting cells is the guard."""
    table = collect(subject_set, 5, cells=12, whole=True, design=SMALL)
    rate, low, high = type_one(table, 0.05)
    assert low <= rate <= high
    table = collect(subject_set, 5, cells=12, whole=False, design=SMALL)
    assert type_one(table, 0.05)[0] > 0.2


def test_three_against_three():
    """N4: 20 labellings, 10 questions."""
    study = three_against_three()
    assert study.pathways["p"].min() >= 0.1
    assert any("no p can reach 0.05 with 3 against 3" in note for note in study.notes)


def test_power():
    """A1."""
    table = collect(planted_set, 10, effect=2.0, design=Design())
    assert table["accuracy"].mean() < 0.7  # not an easy data set
    assert power(table) >= 0.9


def test_canary():
    """A3: with genes permuted after alignment, the planted pathway is one of many."""
    table = collect(planted_set, 10, effect=2.0, permuted_genes=True, design=Design())
    assert power(table) <= interval(0.05, 10)[1]


def test_decoys():
    """A2."""
    rates = decoy_rates(collect(decoy_set, 6, jaccard_index=0.5, effect=2.0, design=Design()))
    assert rates.loc["planted", "network effect"] > 0.5
    assert rates.loc["decoy", "network effect"] < rates.loc["decoy", "t-test"]


def test_identical_pathways():
    """A4."""
    table = collect(identical_set, 2, effect=2.0, design=Design()).set_index("pathway")
    twins = table.loc[["planted", "decoy_1"]]
    assert (twins["not_separable"] == 1).all()
    assert table.drop(twins.index)["not_separable"].isna().all()
    effect = twins.groupby("pathway")["effect"].mean()
    assert effect.max() < 1.5 * effect.min()


def test_edges():
    """E1."""
    found = edge_errors(collect(edge_set, 4, effect=2.0, design=Design(200, 2, 2, 199)))
    assert found["discoveries"] >= 8
    assert found["false"] <= interval(0.05, found["discoveries"])[1] * found["discoveries"]
    assert found["sign_right"] >= 0.95


def test_annotation():
    """M1."""
    settings = {"rewired": 9, "design": Design(n=200), "l2": 0.05, "dropout": 0.0}
    assert (collect(annotation_set, 2, true=True, **settings)["p"] <= 0.2).all()
    random = collect(annotation_set, 5, true=False, **settings)["p"]
    assert random.median() > 0.1
    assert random.max() > 0.3
