"""report: what the page says, read back from its HTML. Every study here was trained."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import subprocess
import sys
from html.parser import HTMLParser
from types import SimpleNamespace

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from real_studies import CALL, EVIL, FORMULA, KINDS, assert_same, data
from real_studies import mask as real_mask

import biomask as bm
from biomask.inference import blocks, training
from biomask.views import plots, report_figures, report_methods, report_tables, report_text
from biomask.views.report_page import SCRIPT

FIRST = "Interferon alpha"


class Page(HTMLParser):
    """Tags with their attributes, and the rows of every table as text."""

    def __init__(self, source):
        super().__init__()
        self.tags, self.tables, self.scripts, self.text = [], [], [], ""
        self.cell = False
        self.feed(source)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self.cell = True

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.cell = False

    def handle_data(self, data):
        if self.tags and self.tags[-1][0] in ("script", "style"):
            self.scripts += [data] if self.tags[-1][0] == "script" and data.strip() else []
            return
        self.text += data
        if self.cell:
            self.tables[-1][-1][-1] += data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def study(study_of):
    return study_of("binary")


@pytest.fixture(scope="module")
def source(study_of, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    assert bm.report(study_of("binary"), path) == path
    return path.read_text("utf-8")


@pytest.fixture(scope="module")
def page(source):
    return Page(source)


def small(y=None, **options):
    """A quick study of 60 samples, with labels of one's own."""
    X, signal = data()
    y = signal > 0 if y is None else pd.Series(y, X.index)
    call = CALL | {"epochs": 1, "permutations": 3} | options
    return bm.crossfit(real_mask(), X, y, **call, progress=False)


def agreeing(study, **changes):
    """The study with other measures of stability."""
    return study.replace(stability=pd.Series({**study.stability, **changes}, name="stability"))


def setting(study, **changes):
    return study.replace(settings={**study.settings, **changes})


def texts(study):
    return [remark.text for remark in report_text.remarks(study)]


def rows(html):
    (table,) = Page(html).tables
    return table


def drawn(monkeypatch, plot, study):
    """What the figure of the predictions hands to a plot."""
    seen, draw = [], getattr(plots, plot)
    monkeypatch.setattr(plots, plot, lambda *given: (seen.extend(given), draw(*given))[1])
    report_figures.prediction(study)
    return seen


# ------------------------------------------------------------------------ every kind of study


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_study_is_reported_explored_and_saved(kind, study_of, tmp_path):
    study = study_of(kind)
    study.save(tmp_path / "s.biomask")
    loaded = bm.load_study(tmp_path / "s.biomask")
    assert_same(loaded, study)
    sources = [
        bm.report(given, tmp_path / "r.html").read_text("utf-8") for given in (study, loaded)
    ]
    assert sources[0] == sources[1]
    page, first = Page(sources[0]), study.top(1).index[0]
    assert page.tables[0][1][0].startswith(first)
    text = report_methods.methods(study)
    assert text in page.text
    cited = set(re.findall(r"(\w+)(?: & \w+| et al\.)?[ (]+(\d{4})\)", text))
    listed = [re.match(r"(\w+).*?\((\d{4})\)", s) for s in report_methods.references(study)]
    assert cited == {entry.groups() for entry in listed}
    assert len(page.tables[0]) == 1 + len(study.pathways)
    bm.explore(study).choose(first)


LABELS = {
    "text": (list("BAC"), ["A", "B", "C"], list("BAC")),
    "numbers": (np.array([1, 2, 5]), [1, 2, 5], [1, 2, 5]),
    "objects": (np.array([5, 10, 1], object), [1, 5, 10], [5, 10, 1]),
    "halves": (np.array([10.5, 2.5, 0.0]), [0.0, 2.5, 10.5], [10.5, 2.5, 0.0]),
    "whole": (np.array([3.0, 1.0, 2.0], "f4"), [1, 2, 3], [3, 1, 2]),
    "nullable": (pd.array([1, 2, 5], "Int64"), [1, 2, 5], [1, 2, 5]),
    "ordered": (pd.Categorical(["lo", "hi", "mid"], ["lo", "mid", "hi"]),
                ["lo", "mid", "hi"], ["lo", "hi", "mid"]),
    "stages": (pd.Categorical([4, 2, 10], [4, 2, 3, 10]), [4, 2, 10], [4, 2, 10]),
    "truth": (np.array([True, False]), [False, True], [True, False]),
    "parts": (pd.cut([1, 9, 20], [0, 5, 10, 30]), ["(0, 5]", "(5, 10]", "(10, 30]"],
              ["(0, 5]", "(5, 10]", "(10, 30]"]),
}  # fmt: skip


@pytest.mark.parametrize("kind", LABELS)
def test_classes_have_one_name_throughout(kind, tmp_path, monkeypatch):
    values, classes, given = LABELS[kind]
    codes = np.arange(60) % len(classes)
    study = small(pd.Series(values).iloc[codes].array, task="multiclass")
    study.save(tmp_path / "s")
    for found in (study, bm.load_study(tmp_path / "s")):
        assert found.settings["classes"] == classes
        assert [type(name) for name in found.settings["classes"]] == [type(c) for c in classes]
        assert found.predictions["y"].tolist() == [given[c] for c in codes]
        for table, what in [("pathways", "direction"), ("scores", "recall"),
                            ("predictions", "prediction")]:  # fmt: skip
            columns = [c for c in getattr(found, table) if c.startswith(f"{what}_")]
            assert columns == [f"{what}_{name}" for name in classes]
        counts = drawn(monkeypatch, "plot_confusion", found)[0]
        right = float(np.diag(counts).sum()) / 60
        likeliest = found.predictions.filter(like="prediction_").to_numpy().argmax(axis=1)
        assert counts.to_numpy().sum() == 60
        assert right == np.mean(np.array(classes)[likeliest] == found.predictions["y"])
    ups = {row[-1].removeprefix("→\xa0") for row in rows(report_tables.pathway_table(study))[1:]}
    assert ups <= {*map(str, classes), "–"}


def test_a_class_that_is_never_predicted_has_a_column_of_zeros(study_of, monkeypatch):
    study = study_of("gaps")
    table = study.predictions.assign(prediction_2=0.0)
    (counts,) = drawn(monkeypatch, "plot_confusion", study.replace(predictions=table))
    assert counts["2"].tolist() == [0, 0, 0]
    assert counts.sum(axis=1).tolist() == [20, 20, 20]
    ax = plots.plot_confusion(pd.crosstab(pd.Series([1, 2, 2, 5]), pd.Series([1, 1, 1, 5])))
    assert [text.get_text() for text in ax.get_xticklabels()] == ["1", "2", "5"]
    shares = np.reshape(ax.collections[0].get_array(), (3, 3))
    np.testing.assert_allclose(shares, [[1, 0, 0], [1, 0, 0], [0, 0, 1]])
    ax = plots.plot_confusion(pd.DataFrame([[3, 1], [2, 4]], ["A", "B"], ["B", "C"]))
    assert [text.get_text() for text in ax.get_yticklabels()] == ["A", "B", "C"]
    shares = np.reshape(ax.collections[0].get_array(), (3, 3))
    np.testing.assert_allclose(shares, [[0, 0.75, 0.25], [0, 1 / 3, 2 / 3], [0, 0, 0]])
    plt.close("all")


def test_the_second_class_is_the_positive_one_of_the_curve(study, monkeypatch):
    names = {"ctrl": "young", "stim": "old"}  # as categories in this order give them
    other = setting(study, classes=["young", "old"])
    other = other.replace(predictions=study.predictions.replace({"y": names}))
    for given in (study, other):
        positive, probability = drawn(monkeypatch, "plot_roc", given)
        assert probability[positive].mean() > probability[~positive].mean() + 0.2


# ------------------------------------------------------------------------ the file


def test_the_page_asks_nothing_of_any_other_place(source, page):
    wanted = [a[key] for _, a in page.tags for key in ("src", "href") if key in a]
    assert len(wanted) == 10  # effects, 3 nulls, stability, genes, ROC; 3 CSV files
    assert all(
        value.startswith(("data:image/svg+xml;base64,", "data:text/csv;")) for value in wanted
    )
    assert "url(" not in source
    assert "@import" not in source


def test_only_the_script_of_the_page_may_run(page):
    assert page.scripts == [SCRIPT]
    (policy,) = [a["content"] for a in page.all("meta") if "http-equiv" in a]
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_names_are_escaped_wherever_they_stand(page):
    assert len(page.all("script")) == 1
    assert not [a for _, a in page.tags if any(key.startswith("on") for key in a)]
    assert EVIL in page.text
    assert all(image["alt"] for image in page.all("img"))


def test_figures_are_closed_and_the_users_are_kept(study):
    others = plt.get_fignums()  # of tests before this one
    mine = plt.figure()
    report_figures.effects(study)
    assert plt.get_fignums() == [*others, mine.number]
    plt.close(mine)


def test_csv_links_hold_the_whole_tables(study, page):
    links = {a["download"]: a["href"].split("base64,")[1] for a in page.all("a")}
    assert list(links) == ["pathways.csv", "edges.csv", "predictions.csv"]
    table = pd.read_csv(io.BytesIO(base64.b64decode(links["pathways.csv"])), index_col=0)
    assert list(table.columns) == list(study.pathways.columns)
    np.testing.assert_allclose(table["effect"], study.pathways["effect"], rtol=1e-5)
    assert f"'{FORMULA}" in table.index  # no spreadsheet runs it
    edges = pd.read_csv(io.BytesIO(base64.b64decode(links["edges.csv"])))
    assert list(edges["gene"]) == ["IFIT1", "IFIT3", "IRF7", "MX1"]


def test_report_of_a_saved_study_leaves_tensorflow_out(study, tmp_path):
    study.save(tmp_path / "s.biomask")
    code = f"""
import sys, biomask as bm
bm.report(bm.load_study({str(tmp_path / "s.biomask")!r}), {str(tmp_path / "r.html")!r})
print(*[name for name in ("tensorflow", "keras") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_what_cannot_be_reported_is_refused_by_name(study, tmp_path):
    with pytest.raises(bm.ArgumentError, match="needs a Study, received DataFrame"):
        bm.report(study.pathways, tmp_path / "r.html")
    with pytest.raises(bm.ArgumentError, match="that compare_models returned"):
        bm.report(study, tmp_path / "r.html", comparison=study.scores)
    with pytest.raises(bm.StorageError, match="nowhere"):
        bm.report(study, tmp_path / "nowhere" / "r.html")
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_the_old_page(study, tmp_path):
    path = tmp_path / "r.html"
    path.write_text("old")
    broken = study.replace(pathways=study.pathways.assign(rank_low=99.0))  # above the median
    with pytest.raises(bm.ArgumentError):
        bm.report(broken, path)
    assert path.read_text() == "old"
    plt.close("all")


# ------------------------------------------------------------------------ the finding


def test_finding_names_the_largest_selected_effect(study):
    text = report_text.finding(study)
    size = study.pathways["effect"].max()
    assert text.startswith("For 1 of 13 pathways")
    assert f"{FIRST}, without which the loss rises by {size:.2g} nats" in text


def test_finding_of_nothing_claims_nothing(study):
    none = study.replace(pathways=study.pathways.assign(selected=False))
    assert report_text.finding(none).startswith("For none of 13 pathways")
    few = small(permutations=2)
    assert report_text.finding(few).startswith("Nothing can be called significant here")
    assert texts(few)[0].startswith("No p can reach 0.05 with 2 permutations")


def test_the_finding_calls_no_ranking_stable_that_changes_between_seeds_or_folds(study):
    for seeds, folds, words in [
        (0.9, 0.8, "and the ranking is stable"),
        (0.9, 0.2, "but the ranking is not stable"),
        (0.39, 0.8, "but the ranking is not stable"),
    ]:
        said = report_text.finding(agreeing(study, seeds=seeds, folds=folds))
        assert said.endswith(f", {words}.")


def test_finding_gives_q_where_the_family_wise_p_does_not_select(study):
    for p_fwer, words in [(0.075, "(p_fwer = 0.075, q = 0.050)"), (0.05, "(p_fwer = 0.050)")]:
        table = study.pathways.copy()
        table.loc[FIRST, ["p_fwer", "q"]] = [p_fwer, 0.05]
        assert words in report_text.finding(study.replace(pathways=table))


# ------------------------------------------------------------------------ what must be said


def test_a_ranking_that_is_not_stable_is_a_warning(study):
    for value, warned in [(0.74, True), (0.75, False), (np.nan, True)]:
        said = report_text.remarks(agreeing(study, seeds=value))
        assert [r.warns for r in said if r.text.startswith("Between seeds")] == [warned]


def test_q_is_not_shown_where_the_permutations_cannot_resolve_it(study):
    assert "q" not in rows(report_tables.pathway_table(study))[0]
    assert texts(study)[0].startswith("19 permutations are too few for q")
    enough = study.replace(null=pd.concat([study.null] * 14), notes=[])  # 13 / .05 - 1 = 259 do
    assert "q" in rows(report_tables.pathway_table(enough))[0]
    assert not any("too few for q" in text for text in texts(enough))


def test_pathways_that_cannot_be_told_apart_are_marked(study):
    cells = [row[0] for row in rows(report_tables.pathway_table(study))[1:]]
    marked = [cell for cell in cells if cell.endswith("not separable, group 1")]
    assert sorted(cell.split(" not")[0] for cell in marked) == ["Twin one", "Twin two"]
    assert any(text.startswith("1 group of pathways cannot be") for text in texts(study))
    twin = study.pathways.assign(selected=study.pathways.index == "Twin one")
    assert any(
        text.startswith("Not separable, group 1: Twin one, Twin two have")
        for text in texts(study.replace(pathways=twin))
    )


def test_networks_no_better_than_a_constant_are_called_so(study):
    share = (study.predictions["y"] == "stim").mean()
    entropy = -share * np.log(share) - (1 - share) * np.log(1 - share)
    assert report_text.chance_loss(study) == pytest.approx(entropy)
    for loss, warned in [(entropy - 1e-6, False), (entropy + 1e-6, True)]:
        said = texts(study.replace(scores=study.scores.assign(log_loss=loss)))
        assert any("no better than a constant" in text for text in said) == warned


def test_a_selected_pathway_that_does_not_help_is_named(study):
    harmful = study.pathways["effect"].idxmin()
    table = study.pathways.assign(selected=study.pathways.index == harmful)
    said = texts(study.replace(pathways=table))
    assert any(f"1 selected pathway ({harmful}) has an effect of 0 or below" in t for t in said)


def test_warnings_come_first_other_notes_last_and_known_ones_once(study, study_of):
    remarks = report_text.remarks(study.replace(notes=[*study.notes, "x"]))
    warns = [remark.warns for remark in remarks]
    assert warns == sorted(warns, reverse=True)
    assert set(warns) == {True, False}
    said = [remark.text for remark in remarks]
    assert said[-1] == "X."
    assert any("repeated with groups=" in text for text in said)
    assert not any("groups=" in text for text in texts(study_of("groups")))
    assert sum("the ranking is stable" in text for text in said) == 1
    assert not any("are selected" in text for text in said)


# ------------------------------------------------------------------------ tables


def test_pathway_table_reads_as_the_study_says(study):
    html = report_tables.pathway_table(study)
    head, *body = rows(html)
    assert head == ["Pathway", "Genes", "Effect", "p", "p_fwer", "Rank", "Genes up"]
    assert body[0][0] == f"{FIRST} selected"
    table = study.pathways.sort_values("effect", ascending=False)
    for place, column in [(1, "size"), (2, "effect"), (3, "p"), (4, "p_fwer")]:
        found = [float(row[place].replace("−", "-")) for row in body]
        np.testing.assert_allclose(found, table[column], atol=0.00051)
    keys = re.findall(r'data-label="Effect" data-key="([^"]*)"', html)  # what a click sorts by
    assert list(map(float, keys)) == table["effect"].tolist()
    expected = ["→\xa0stim" if up > 0 else "→\xa0ctrl" for up in table["direction"]]
    assert [row[-1] for row in body] == expected


def test_edge_table_goes_by_effect(study):
    head, *body = rows(report_tables.edge_table(study))
    assert head == ["Gene", "Pathway", "Effect", "p", "q", "Sign", "Agreement"]
    table = study.edges.sort_values("effect", ascending=False)
    assert [row[0] for row in body] == table["gene"].tolist()
    assert [float(row[2]) for row in body] == pytest.approx(table["effect"].tolist(), abs=0.00051)
    assert {row[5] for row in body} == {"+"}
    assert {row[6] for row in body} == {"100%"}


def test_score_table_has_means_ranges_and_a_constant(study):
    head, first, _, both, constant = rows(report_tables.score_table(study))
    losses = study.scores["log_loss"]
    assert head[:4] == ["", "log loss", "accuracy", "auc"]
    assert first[1].startswith(f"{losses[:2].mean():.3f} ({losses[:2].min():.3f} to ")
    assert both[1] == f"{losses.mean():.3f} ({losses.min():.3f} to {losses.max():.3f})"
    assert constant[3] == "0.500"
    assert constant[4:] == ["–", "–"]  # of recall


def test_direction_of_several_classes_of_numbers_and_of_risks(study_of):
    for kind in ("multiclass", "gaps", "regression", "survival"):
        study = study_of(kind)
        up = [row[-1] for row in rows(report_tables.pathway_table(study))[1:]]
        table = study.pathways.sort_values("effect", ascending=False)
        if kind in ("multiclass", "gaps"):
            best = table.filter(like="direction_").to_numpy().argmax(axis=1)
            expected = [study.settings["classes"][c] for c in best]
        else:
            word = "risk" if kind == "survival" else ""
            expected = [f"{'higher' if d > 0 else 'lower'} {word}" for d in table["direction"]]
        assert up == [f"→\xa0{way}".rstrip() for way in expected]
    unknown = study.pathways.assign(direction=np.nan)
    assert rows(report_tables.pathway_table(study.replace(pathways=unknown)))[1][-1] == "–"


def test_decimals_have_no_negative_zero():
    assert report_tables.decimals(-0.0004, 3) == "0.000"
    assert report_tables.decimals(-0.004, 3) == "−0.004"
    assert report_tables.decimals(float("nan"), 3) == "–"


# ------------------------------------------------------------------------ parts that may be absent


def test_without_permutations_the_page_says_that_nothing_was_tested(tmp_path):
    page = Page(bm.report(small(permutations=0), tmp_path / "r.html").read_text("utf-8"))
    assert "No labels were permuted, so that no effect was tested." in page.text
    assert "No pathway was selected, so that no gene was tested." in page.text
    assert "The smallest p" not in page.text
    assert "Phipson" not in page.text
    assert len(page.all("img")) == 3  # effects, stability, ROC


def test_comparison_is_said_in_its_own_words(study, page, tmp_path):
    assert "random masks of the same shape was not tested" in page.text
    X, _ = data()
    call = {"folds": 2, "seeds": 1, "rewired": 2, "epochs": 1, "progress": False}
    table = bm.compare_models(real_mask(), X, study.predictions["y"], **call)
    path = bm.report(study, tmp_path / "r.html", comparison=table)
    page = Page(path.read_text("utf-8"))
    assert table.attrs["sentence"] in page.text
    assert "was not tested" not in page.text
    (shown,) = [rows for rows in page.tables if rows[0][0] == "Model"]
    assert [row[0] for row in shown[1:]] == list(table.index)
    assert [row[1] for row in shown[1:]] == [f"{loss:.3f}" for loss in table["loss"]]


# ------------------------------------------------------------------------ methods and the call

SAID = {  # kind: (what its paragraph says, what it does not)
    "binary": (
        ["tell “stim” from “ctrl”", "13 pathways were trained on 60 samples", "18 genes",
         "31 connections", "for 20 epochs (of 8 passes", "kept its last weights",
         "dropout of 0.5", "an L2 penalty of 0.001", "in 2-fold", "2 networks with different",
         "19 permutations of the labels, which", "(19 + 1)", "selected, 1 of 13", "The 4 connec",
         "between seeds and between folds", "for the 6 pathways"],
        ["watched", "%", "stopped", "subject", "strata", "Covariates", "class.", "disk", "levels"],
    ),
    "watched": (
        ["15 % of the samples in the training part", "training stopped when the loss there",
         "at most 2 epochs (of 2 passes", "one network was trained", "effects between folds"],
        ["kept its last", "different initial", "averaged over", "between seeds"],
    ),
    "multiclass": (["tell 3 classes apart", "log-loss", "nats"], ["watched"]),
    "regression": (["predict dose", "squared error", "variances of the outcome"], ["nats"]),
    "survival": (["time to the event", "partial likelihood", "pairs of time"], ["of the labels"]),
    "autoencoder": (
        ["reconstruct the genes", "The comparison was repeated", "selected, 0 of 13"],
        ["Everything was repeated", "connections inside", "when its unit is held"],
    ),
    "hierarchy": (
        ["one hidden unit for each of 14 pathways", "in 2 levels", "the units of every level",
         "the levels above computed again"],
        ["the roots"],
    ),
    "covariates": (
        ["Covariates (age, sex=m)", "a logistic regression of the labels on them (Berrett"],
        ["residuals", "strata"],
    ),
    "groups": (
        ["with all samples of a subject in the same fold", "labels of whole subjects, which"],
        ["within subjects"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", SAID)
def test_methods_say_what_was_done(kind, study_of):
    text = report_methods.methods(study_of(kind)).replace("In 2-fold", "in 2-fold")
    said, unsaid = SAID[kind]
    assert [part for part in said if part not in text] == []
    assert [part for part in unsaid if part in text] == []


def alternating():
    return np.arange(60) % 2


OPTIONS = {  # what crossfit is asked for beside `small`: (what is said, what is not)
    "bare": (
        {"dropout": 0, "l2": 0, "seeds": 1},
        ["no dropout and no L2 penalty", "one network was trained"],
        ["dropout of", "penalty of", "between seeds", "averaged"],
    ),
    "short batches": ({"batch_size": 4}, ["for 1 epoch and kept"], ["passes"]),
    "51 samples to fit, or 52": (
        {"batch_size": 51, "folds": 7}, ["for 1 epoch (of 4 or 8 passes"], [],
    ),
    "weighted": ({"class_weight": "balanced"}, ["weighted by the inverse size"], []),
    "strata": (
        {"strata": np.arange(60) % 3}, ["permutations of the labels within 3 strata, "], [],
    ),
    "one stratum": ({"strata": np.zeros(60)}, ["permutations of the labels, "], ["strata"]),
    "before and after": (
        {"y": alternating(), "groups": np.arange(60) // 2},
        ["permutations of the labels within subjects, "], ["whole subjects"],
    ),
    "few": (
        {"y": np.arange(60) // 10 % 2, "groups": np.arange(60) // 10, "permutations": 50},
        ["every other way to deal the labels, 9 permutations of the labels of whole", "(9 + 1)"],
        ["50"],
    ),
    "residuals": (
        {"task": "regression", "y": np.arange(60.0) ** 2,
         "covariates": pd.DataFrame({"age": np.arange(60) % 7.0})},
        ["entered the linear output", "residuals of the outcome on the covariates"],
        ["logistic", "predict dose"],
    ),
    "covariates in strata": (
        {"covariates": pd.DataFrame({"age": np.arange(60) % 7.0}), "strata": np.arange(60) % 3},
        ["of the labels on them and the strata (Berrett"], [],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", OPTIONS)
def test_methods_follow_the_options(case):
    options, said, unsaid = OPTIONS[case]
    if "covariates" in options:
        options = options | {"covariates": options["covariates"].set_axis(data()[0].index)}
    text = report_methods.methods(small(**options))
    assert [part for part in said if part not in text] == []
    assert [part for part in unsaid if part in text] == []


def test_methods_of_subjects_that_are_watched_and_of_a_hierarchy_read_at_the_top(study_of):
    X, signal = data(420)
    donors = pd.Series(np.arange(420) // 2, X.index)
    y = (signal.groupby(donors).transform("sum") > 0).astype(int)
    call = {"groups": donors, "folds": 5, "seeds": 1, "epochs": 1, "permutations": 0}
    study = bm.crossfit(real_mask(), X, y, **call, progress=False)
    assert "15 % of the subjects in the training part" in report_methods.methods(study)
    top = setting(study_of("hierarchy"), outputs="top")
    assert "the output reads the units of the roots" in report_methods.methods(top)
    on_disk = setting(study, on_disk=True)
    assert "read from disk in every epoch" in report_methods.methods(on_disk)


def test_what_the_text_repeats_is_what_the_code_does(study_of):
    text = report_methods.methods(study_of("watched"))
    assert f"at least {training.MIN_STEPS} steps" in text
    assert f"not fallen for at least {training.PATIENCE} steps" in text
    assert study_of("watched").settings["watched"] == blocks.WATCHED


@pytest.mark.parametrize("kind", ["binary", "groups", "covariates", "hierarchy"])
def test_the_call_makes_the_study_of_the_settings(kind, study_of):
    study, seen = study_of(kind), {}
    names = {"mask": 1, "X": 2, "y": 3, "groups": 4, "covariates": 5}
    fake = SimpleNamespace(crossfit=lambda *a, **k: seen.update(k, args=a))
    source = report_methods.call(study).removeprefix("import biomask as bm\n")
    exec(source, {**names, "bm": fake})
    assert seen.pop("args") == (1, 2, 3)
    assert seen.pop("groups", None) == (4 if kind == "groups" else None)
    assert seen.pop("covariates", None) == (5 if kind == "covariates" else None)
    assert seen == {key: study.settings[key] for key in seen}
    compared = "mask.flatten()" if kind == "hierarchy" else "mask"
    assert f"(\n    {compared}, X, y" in report_methods.compare_call(study)
    assert set(CALL) | {"task", "batch_size", "dropout", "l2", "activation"} <= set(seen)
