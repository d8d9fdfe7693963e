"""report: what the page says, read back from its HTML."""

from __future__ import annotations

import ast
import base64
import hashlib
import io
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import biomask as bm
from biomask.views import report_figures, report_methods, report_tables, report_text
from biomask.views.report_page import SCRIPT

EVIL = '</script><script>alert(1)</script>"><img src=x onerror=alert(1)>'
INFERENCE = Path(bm.__file__).parent / "inference"
SETTINGS = {
    "biomask": "0.1.0", "versions": {"keras": "3.15.1"}, "mask": "m" * 64, "data": "d" * 64,
    "labels": "l" * 64, "classes": ["ctrl", "stim"], "task": "binary", "n_classes": None,
    "activation": "tanh", "epochs": 50, "batch_size": 64, "learning_rate": 0.001, "dropout": 0.5,
    "l2": 0.001, "folds": 2, "seeds": 2, "permutations": 99, "labels_a_block": 20,
    "random_state": 7, "samples": 8, "genes": 6, "subjects": None, "strata": None,
    "attainable": "",
}  # fmt: skip


def make_study(names=("A", "B", "C"), **changes):
    """Three pathways, the second with the largest effect and the only one selected."""
    a, b, c = names
    mask = bm.Mask.from_sets({a: ["g1", "g2"], b: ["g3", "g4", EVIL], c: ["g5"]})
    pathways = pd.DataFrame(
        {
            "size": [2, 3, 1],
            "effect": [0.0123, 0.25, -0.004],
            "p": [0.2, 0.01, 0.9],
            "p_fwer": [0.5, 0.01, 1.0],
            "q": [0.3, 0.03, 0.9],
            "null_mean": 0.0,
            "null_low": -0.01,
            "null_high": 0.01,
            "selected": [False, True, False],
            "rank_low": [1.6, 1.0, 2.0],
            "rank_median": [2.0, 1.0, 3.0],
            "rank_high": [3.0, 1.0, 3.0],
            "direction": [-0.1, 0.4, np.nan],
            "not_separable": pd.array([1, pd.NA, 1], "Int64"),
        },
        index=pd.Index([a, b, c], name="pathway"),
    )
    edges = pd.DataFrame(
        {
            "gene": ["g3", "g4", EVIL],
            "pathway": b,
            "effect": [0.1, -0.02, 0.2],
            "p": [0.01, 0.9, 0.01],
            "q": [0.02, 0.9, 0.02],
            "sign": [1, 0, -1],
            "sign_agreement": [1.0, 0.5, 0.75],
        }
    )
    scores = pd.DataFrame(
        {
            "fold": [0, 0, 1, 1],
            "seed": [0, 1, 0, 1],
            "log_loss": [0.4, 0.6, 0.3, 0.5],
            "accuracy": [0.75, 0.5, 1.0, 0.75],
            "auc": [0.8, 0.7, 1.0, 0.9],
        }
    )
    agree = {"seeds": 0.5, "folds": 0.8, "top": 1.0}
    agree |= {"top_index": 0.9, "top_low": 0.7, "top_high": 1.0}
    null = pd.DataFrame(np.linspace(-0.02, 0.02, 297).reshape(99, 3), columns=mask.pathways)
    samples = [f"s{i}" for i in range(8)]
    predictions = pd.DataFrame(
        {
            "y": ["ctrl", "stim"] * 4,
            "fold": [0, 0, 0, 0, 1, 1, 1, 1],
            "prediction": [0.1, 0.9, 0.2, 0.6, 0.7, 0.8, 0.3, 0.4],
        },
        index=samples,
    )
    parts = {
        "mask": mask,
        "pathways": pathways,
        "edges": edges,
        "scores": scores,
        "stability": pd.Series(agree, name="stability"),
        "null": null.rename_axis("permutation"),
        "predictions": predictions,
        "activity": pd.DataFrame(0.0, index=samples, columns=mask.pathways),
        "settings": SETTINGS | changes.pop("settings", {}),
        "notes": ["1 of 3 pathways are selected (p_fwer or q at most 0.05)"],
    }
    return bm.Study(**(parts | changes))


def compared():
    table = pd.DataFrame(
        {
            "loss": [0.4, 0.5],
            "auc": [0.9, 0.8],
            "difference": [0, 0.1],
            "low": [0, 0.05],
            "high": [0, 0.2],
        },
        index=pd.Index(["masked network", "rewired <masks>"], name="model"),
    )
    table.attrs = {"sentence": "The annotation is better than random masks <of> the same shape."}
    return table


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


@pytest.fixture(scope="module")
def study():
    return make_study((EVIL, "B_1 & <i>", "=C"))


@pytest.fixture(scope="module")
def source(study, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    assert bm.report(study, path) == path
    return path.read_text("utf-8")


@pytest.fixture(scope="module")
def page(source):
    return Page(source)


def texts(study):
    return [remark.text for remark in report_text.remarks(study)]


def rows(html):
    (table,) = Page(html).tables
    return table


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
    assert page.all("i") == []
    assert not [a for _, a in page.tags if any(key.startswith("on") for key in a)]
    assert page.text.count(EVIL) == 3  # both tables and the caption of its null
    assert all(image["alt"] for image in page.all("img"))


def test_same_study_same_bytes_and_again_after_saving(study, source, tmp_path):
    study.save(tmp_path / "s.biomask")
    again = bm.report(bm.load_study(tmp_path / "s.biomask"), tmp_path / "report.html")
    assert again.read_text("utf-8") == source


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
    np.testing.assert_allclose(table["effect"], [0.0123, 0.25, -0.004])
    assert table.index[2] == "'=C"  # no spreadsheet runs it
    edges = pd.read_csv(io.BytesIO(base64.b64decode(links["edges.csv"])))
    assert list(edges["gene"]) == ["g3", "g4", EVIL]


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
    broken = study.replace(pathways=study.pathways.assign(rank_low=9.0))  # above the median
    with pytest.raises(bm.ArgumentError):
        bm.report(broken, path)
    assert path.read_text() == "old"
    plt.close("all")


# ------------------------------------------------------------------------ the finding


def test_finding_names_the_largest_selected_effect():
    assert report_text.finding(make_study()) == (
        "For 1 of 3 pathways the held-out effect is larger than chance allows (p_fwer or q at most "
        "0.05); the largest is that of B, without which the loss rises by 0.25 nats per sample "
        "(p_fwer = 0.010), and the stability of the ranking is intermediate."
    )


def test_finding_of_nothing_claims_nothing():
    study = make_study()
    none = study.replace(pathways=study.pathways.assign(selected=False))
    assert report_text.finding(none) == (
        "For none of 3 pathways is the held-out effect larger than chance allows (the smallest "
        "p_fwer is 0.010, of B), which is no proof that none has an effect."
    )
    few = make_study(settings={"attainable": "no p can reach 0.05 with 3 against 3: ..."})
    assert report_text.finding(few).startswith("Nothing can be called significant here")


def test_an_unstable_ranking_is_part_of_the_finding():
    study = make_study()
    study.stability["seeds"] = 0.39
    assert report_text.finding(study).endswith(", but the ranking is not stable.")


def test_the_finding_calls_no_ranking_stable_that_changes_between_folds():
    study = make_study()
    study.stability["seeds"] = 0.9
    said = {0.8: "and the ranking is stable", 0.2: "but the ranking is not stable"}
    for folds, words in said.items():
        study.stability["folds"] = folds
        assert report_text.finding(study).endswith(f", {words}.")


def test_finding_gives_q_where_the_family_wise_p_does_not_select():
    study = make_study()
    largest = study.pathways.query("selected")["effect"].idxmax()
    study.pathways.loc[largest, ["p_fwer", "q"]] = [0.075, 0.05]
    assert "(p_fwer = 0.075, q = 0.050)" in report_text.finding(study)
    study.pathways.loc[largest, "p_fwer"] = 0.05
    assert "(p_fwer = 0.050)" in report_text.finding(study)


# ------------------------------------------------------------------------ what must be said


def test_wording_of_stability_is_enforced_at_its_limits():
    study = make_study()
    said = {}
    for value in (0.39, 0.4, 0.74, 0.75, np.nan):
        study.stability["seeds"] = value
        said[value] = report_text.remarks(study)
    first = {value: remarks[0] for value, remarks in said.items()}
    assert first[0.39] == (
        "Between seeds, the ranking is not stable (mean Spearman correlation 0.39).", True
    )  # fmt: skip
    assert "stability of the ranking is intermediate" in first[0.4].text
    assert "stability of the ranking is intermediate" in first[0.74].text
    stable = "Between seeds, the ranking is stable (mean Spearman correlation 0.75)."
    assert (stable, False) in said[0.75]
    assert "the stability of the ranking was not assessed" in texts(study)[0]


def test_three_against_three_comes_first():
    note = "no p can reach 0.05 with 3 against 3: the smallest p is 0.1"
    study = make_study(settings={"attainable": note})
    assert texts(study.replace(notes=[note]))[0] == "N" + note[1:] + "."
    assert sum("3 against 3" in text for text in texts(study.replace(notes=[note]))) == 1


def test_q_is_not_shown_where_the_permutations_cannot_resolve_it():
    study = make_study()  # 3 pathways need 3 / .05 - 1 = 59 permutations
    assert "q" in rows(report_tables.pathway_table(study))[0]
    assert not any("too few for q" in text for text in texts(study))
    few = study.replace(null=study.null.head(58), pathways=study.pathways.assign(q=0.06))
    assert "q" not in rows(report_tables.pathway_table(few))[0]
    assert texts(few)[0].startswith("58 permutations are too few for q")
    enough = few.replace(null=study.null.head(59))
    assert "q" in rows(report_tables.pathway_table(enough))[0]


def test_pathways_that_cannot_be_told_apart_are_marked():
    study = make_study()
    said = [text for text in texts(study) if "separa" in text]
    assert said == [
        "1 group of pathways cannot be separated, because their genes are nearly the same; the "
        "table marks them."
    ]
    both = study.replace(pathways=study.pathways.assign(selected=[True, True, False]))
    said = [text for text in texts(both) if "separa" in text]
    assert said == [
        "Not separable, group 1: A, C have nearly the same genes (Jaccard index at least 0.8); an "
        "effect of one is an effect of the group."
    ]
    cells = [row[0] for row in rows(report_tables.pathway_table(study))[1:]]
    assert cells == ["B selected", "A not separable, group 1", "C not separable, group 1"]


def test_networks_no_better_than_a_constant_are_called_so():
    study = make_study()  # balanced classes: a constant has log-loss ln 2 = .6931
    assert report_text.chance_loss(study) == pytest.approx(np.log(2))
    assert not any("no better than a constant" in text for text in texts(study))
    bad = study.replace(scores=study.scores.assign(log_loss=0.694))
    assert "(mean log-loss 0.694, of a constant 0.693)" in texts(bad)[0]


def test_a_selected_pathway_that_does_not_help_is_named():
    study = make_study()
    worse = study.replace(pathways=study.pathways.assign(selected=[False, True, True]))
    assert any("1 selected pathway (C) has an effect of 0 or below" in t for t in texts(worse))


def test_warnings_stand_before_what_merely_has_to_be_known():
    study = make_study()
    study.stability["seeds"], study.stability["folds"] = 0.8, 0.2
    remarks = report_text.remarks(study.replace(pathways=study.pathways.assign(selected=True)))
    warns = [remark.warns for remark in remarks]
    assert warns == sorted(warns, reverse=True)
    assert remarks[0].text.startswith("Between folds, the ranking is not stable")
    assert set(warns) == {True, False}


def test_samples_count_as_independent_unless_subjects_are_given():
    assert any("repeated with groups=" in text for text in texts(make_study()))
    assert not any("groups=" in text for text in texts(make_study(settings={"subjects": 4})))


def test_other_notes_follow_and_known_ones_are_not_repeated():
    study = make_study()
    study = study.replace(notes=[*study.notes, "the stability of the ranking is intermediate", "x"])
    assert texts(study)[-1] == "X."
    assert sum("intermediate" in text for text in texts(study)) == 1
    assert not any("are selected" in text for text in texts(study))


# ------------------------------------------------------------------------ tables


def test_pathway_table_reads_as_the_study_says():
    head, *body = rows(report_tables.pathway_table(make_study()))
    assert head == ["Pathway", "Genes", "Effect", "p", "p_fwer", "q", "Rank", "Genes up"]
    assert body == [
        ["B selected", "3", "0.250", "0.010", "0.010", "0.030", "1 (1–1)", "→\xa0stim"],
        [
            "A not separable, group 1",
            "2",
            "0.012",
            "0.200",
            "0.500",
            "0.300",
            "2 (2–3)",
            "→\xa0ctrl",
        ],
        ["C not separable, group 1", "1", "−0.004", "0.900", "1.000", "0.900", "3 (2–3)", "–"],
    ]


def test_cells_carry_the_values_that_sort_them():
    html = report_tables.pathway_table(make_study())
    assert re.findall(r'data-label="Effect" data-key="([^"]*)"', html) == [
        "0.25",
        "0.0123",
        "-0.004",
    ]
    assert re.findall(r'data-label="Genes up" data-key="([^"]*)"', html) == ["0.4", "-0.1", ""]


def test_edge_table_goes_by_effect():
    head, *body = rows(report_tables.edge_table(make_study()))
    assert head == ["Gene", "Pathway", "Effect", "p", "q", "Sign", "Agreement"]
    assert body == [
        [EVIL, "B", "0.200", "0.010", "0.020", "−", "75%"],
        ["g3", "B", "0.100", "0.010", "0.020", "+", "100%"],
        ["g4", "B", "−0.020", "0.900", "0.900", "–", "50%"],
    ]


def test_score_table_has_means_ranges_and_a_constant():
    _, first, second, both, constant = rows(report_tables.score_table(make_study()))
    assert first[:2] == ["Fold 1", "0.500 (0.400 to 0.600)"]
    assert second[:2] == ["Fold 2", "0.400 (0.300 to 0.500)"]
    assert both[:2] == ["All folds", "0.450 (0.300 to 0.600)"]
    assert constant == ["A constant", "0.693", "0.500", "0.500"]


def test_direction_of_several_classes_and_of_numbers():
    study = make_study(settings={"task": "multiclass", "classes": ["x", "y", "z"]})
    table = study.pathways.drop(columns="direction")
    table[["direction_0", "direction_1", "direction_2"]] = [
        [0.1, 0.3, -0.4],
        [-0.1, -0.1, 0.2],
        [np.nan] * 3,
    ]
    html = report_tables.pathway_table(study.replace(pathways=table))
    assert [row[-1] for row in rows(html)[1:]] == ["→\xa0z", "→\xa0y", "–"]
    numbers = make_study(settings={"task": "regression", "classes": []})
    html = report_tables.pathway_table(numbers)
    assert [row[-1] for row in rows(html)[1:]] == ["→\xa0higher", "→\xa0lower", "–"]


def test_a_number_is_called_by_its_name_where_it_has_one():
    settings = {"task": "regression", "classes": []}
    assert report_text.heading(make_study(settings=settings)) == "Pathways that predict the outcome"
    named = make_study(settings=settings | {"outcome": "age"})
    assert report_text.heading(named) == "Pathways that predict age"


def test_a_hierarchy_is_compared_as_one_layer():
    study = make_study()
    assert "compare_models(\n    mask, X, y" in report_methods.compare_call(study)
    above = pd.DataFrame({"child": ["A"], "parent": ["top"]})
    deep = study.replace(mask=bm.Hierarchy.from_sets(study.mask, above))
    assert "compare_models(\n    mask.flatten(), X, y" in report_methods.compare_call(deep)


def test_decimals_have_no_negative_zero():
    assert report_tables.decimals(-0.0004, 3) == "0.000"
    assert report_tables.decimals(-0.004, 3) == "−0.004"
    assert report_tables.decimals(float("nan"), 3) == "–"


# ------------------------------------------------------------------------ other kinds of study


def test_without_permutations_the_page_says_that_nothing_was_tested(tmp_path):
    study = make_study()
    bare = study.replace(
        null=study.null.head(0),
        edges=study.edges.head(0),
        pathways=study.pathways.assign(selected=False, null_low=np.nan, null_high=np.nan, p=1.0),
        settings={**study.settings, "permutations": 0, "attainable": "no p can reach 0.05"},
    )
    page = Page(bm.report(bare, tmp_path / "r.html").read_text("utf-8"))
    assert "No labels were permuted, so that no effect was tested." in page.text
    assert "No pathway was selected, so that no gene was tested." in page.text
    assert len(page.all("img")) == 3  # effects, stability, ROC


def test_prediction_figure_suits_the_task():
    y = pd.Series([1.0, 2.0, 3.0, 4.0])
    ax = report_figures._observed(y, y * 2)
    assert ax.get_title() == "Pearson 1.00"
    np.testing.assert_allclose(ax.collections[0].get_offsets(), np.column_stack([y, y * 2]))
    plt.close(ax.figure)
    study = make_study(settings={"task": "multiclass", "classes": ["a", "b"]})
    table = pd.DataFrame({"y": ["a", "b"], "fold": 0, "a": [0.9, 0.2], "b": [0.1, 0.8]})
    assert report_figures.prediction(study.replace(predictions=table)).svg.startswith(b"<?xml")


def test_comparison_is_said_in_its_own_words(study, tmp_path):
    page = Page(bm.report(study, tmp_path / "r.html", comparison=compared()).read_text("utf-8"))
    assert "The annotation is better than random masks <of> the same shape." in page.text
    assert "was not tested" not in page.text
    (table,) = [table for table in page.tables if table[0][0] == "Model"]
    assert table[1] == ["masked network", "0.400", "0.900", "–"]
    assert table[2] == ["rewired <masks>", "0.500", "0.800", "0.100 (0.050 to 0.200)"]


def test_without_a_comparison_the_page_says_how_to_make_one(page):
    assert "random masks of the same shape was not tested" in page.text
    assert "comparison = bm.compare_models(" in page.text


# ------------------------------------------------------------------------ methods and the call


def test_methods_follow_the_settings():
    text = report_methods.methods(
        make_study(settings={"folds": 4, "subjects": 5, "strata": 3, "l2": 0.02})
    )
    assert "one hidden unit for each of 3 pathways" in text
    assert "(6 connections, biomask 0.1.0, keras 3.15.1)" in text
    assert "L2 penalty of 0.02" in text
    assert (
        "In 4-fold cross-validation, with all samples of a subject in the same fold, 2 ne" in text
    )
    assert (
        "99 permutations of the labels (of whole subjects where a subject has one label) wi" in text
    )
    assert "within 3 strata" in text
    assert "subject" not in report_methods.methods(make_study())


def test_every_reference_is_cited_and_every_citation_is_referred_to():
    text = report_methods.methods(make_study())
    cited = set(re.findall(r"(\w+)(?: & \w+| et al\.)[ (]+(\d{4})", text))
    listed = {
        (entry.split()[0], re.search(r"\((\d{4})\)", entry)[1])
        for entry in report_methods.REFERENCES
    }
    assert cited == listed
    assert len(listed) == 5


def test_what_the_text_repeats_is_what_the_code_does():
    """Inference cannot be imported here: it loads TensorFlow."""
    values = {}
    for name in ("training", "blocks", "assembly"):
        for node in ast.parse((INFERENCE / f"{name}.py").read_text("utf-8")).body:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
                values[node.targets[0].id] = node.value.value
    text = report_methods.methods(make_study())
    assert (
        f"fewer than {values['MIN_STEPS']} steps, as many epochs as make {values['MIN_STEPS']}"
        in text
    )
    assert f"had not fallen for {values['PATIENCE']} steps" in text
    assert f"{values['WATCHED']:.0%} of which".replace("%", " %") in text
    assert values["LEVEL"] == report_text.LEVEL


@pytest.mark.parametrize("extra", [{}, {"subjects": 4, "strata": 2}])
def test_the_call_makes_the_study_of_the_settings(extra):
    study = make_study(settings=extra)
    seen = {}
    names = {"mask": 1, "X": 2, "y": 3, "groups": 4, "strata": 5}
    fake = SimpleNamespace(crossfit=lambda *a, **k: seen.update(k, args=a))
    source = report_methods.call(study).removeprefix("import biomask as bm\n")
    exec(source, {**names, "bm": fake})
    assert seen.pop("args") == (1, 2, 3)
    assert [seen.pop(k, None) for k in ("groups", "strata")] == ([4, 5] if extra else [None] * 2)
    assert seen == {key: study.settings[key] for key in seen}
    assert set(seen) == {
        "task", "folds", "seeds", "permutations", "epochs", "batch_size", "learning_rate",
        "dropout", "l2", "activation", "random_state",
    }  # fmt: skip
