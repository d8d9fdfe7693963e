"""save_figure, the style sheet and the labels."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.image as mpimg
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from biomask.errors import ArgumentError, StorageError
from biomask.views import figures, labels
from biomask.views.figures import figures_folder, panels, save_figure, style, use_style
from biomask.views.plots import plot_learning_curves
from biomask.views.spreadsheet import csv_text


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def bars(heights=(1, 2, 3)):
    fig, ax = panels(1, 1, width=3.5, height=2)
    ax.bar(range(len(heights)), heights)
    ax.set_xlabel("a label that needs room")
    return fig, pd.DataFrame({"height": heights})


# ------------------------------------------------------------------------ the three files


def test_writes_picture_print_and_numbers(tmp_path):
    fig, data = bars()
    path = save_figure(fig, "bars", data, folder=tmp_path)
    assert path == tmp_path / "bars.png"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bars.csv", "bars.pdf", "bars.png"]
    assert mpimg.imread(path).shape[:2] == (600, 1050)  # 2 x 3.5 inches at 300 dpi
    assert (tmp_path / "bars.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / "bars.csv").read_text() == "height\n1\n2\n3\n"


def test_saving_twice_gives_the_same_bytes(tmp_path):
    fig, data = bars()
    for folder in ("first", "second"):
        save_figure(fig, "bars", data, folder=tmp_path / folder)
    for kind in ("png", "pdf", "csv"):
        first, second = ((tmp_path / f / f"bars.{kind}").read_bytes() for f in ("first", "second"))
        assert first == second, kind


def test_another_process_gives_the_same_bytes_and_needs_no_tensorflow(tmp_path):
    code = (
        "import json, sys, pandas as pd, biomask.views.plots as plots\n"
        "from biomask.views.figures import save_figure\n"
        "data = pd.DataFrame({'loss': [3.0, 2, 1], 'val_loss': [3.0, 2, 2.5]})\n"
        "fig = plots.plot_learning_curves(data).figure\n"
        "save_figure(fig, 'same', data, folder=sys.argv[1])\n"
        "print(json.dumps([m for m in ('tensorflow', 'keras') if m in sys.modules]))"
    )
    env = {**os.environ, "PYTHONHASHSEED": "7", "MPLBACKEND": "Agg", "TZ": "Asia/Tokyo"}
    command = [sys.executable, "-c", code, str(tmp_path / "there")]
    result = subprocess.run(command, check=True, env=env, capture_output=True)
    assert json.loads(result.stdout) == []
    data = pd.DataFrame({"loss": [3.0, 2, 1], "val_loss": [3.0, 2, 2.5]})
    save_figure(plot_learning_curves(data).figure, "same", data, folder=tmp_path / "here")
    for kind in ("png", "pdf", "csv"):
        here, there = ((tmp_path / f / f"same.{kind}").read_bytes() for f in ("here", "there"))
        assert here == there, kind


def test_carries_no_date_and_no_version(tmp_path):
    fig, data = bars()
    png = save_figure(fig, "bars", data, folder=tmp_path).read_bytes()
    pdf = (tmp_path / "bars.pdf").read_bytes()
    for word in (b"CreationDate", b"Producer", b"Matplotlib v"):
        assert word not in pdf
    assert b"Software" not in png
    assert b"/Type3" not in pdf  # text stays text
    assert b"/TrueType" in pdf or b"/CIDFontType2" in pdf


def test_nothing_is_cut_off_without_a_layout(tmp_path):
    fig, ax = plt.subplots(figsize=(2, 2))
    ax.set_ylabel("far out", labelpad=60)  # outside the figure
    path = save_figure(fig, "wide", pd.DataFrame({"x": [1]}), folder=tmp_path)
    assert mpimg.imread(path).shape[1] > 2 * 300


def test_a_figure_that_cannot_be_drawn_leaves_the_old_files(tmp_path, monkeypatch):
    fig, data = bars()
    save_figure(fig, "bars", data, folder=tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    other, other_data = bars([9])
    monkeypatch.setattr(other, "savefig", lambda *a, **k: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        save_figure(other, "bars", other_data, folder=tmp_path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


# ------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    "name",
    ["", "a/b", "a\\b", "../up", ".no", "a:b", "x\ny", "nul\0", "sizes.png", "S.PDF", 3, None],
)
def test_refuses_names_that_cannot_name_a_file(tmp_path, name):
    fig, data = bars()
    with pytest.raises(ArgumentError) as caught:
        save_figure(fig, name, data, folder=tmp_path)
    assert caught.value.code == "E-FIGURE-NAME"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a", "01_mask-sizes", "größe λ", "v1.2"])
def test_accepts_plain_names(tmp_path, name):
    fig, data = bars()
    assert save_figure(fig, name, data, folder=tmp_path).name == f"{name}.png"


def test_refuses_what_is_no_figure_or_no_table(tmp_path):
    fig, data = bars()
    with pytest.raises(ArgumentError, match=r"ax\.figure") as caught:
        save_figure(fig.axes[0], "bars", data, folder=tmp_path)
    assert caught.value.code == "E-FIGURE"
    for wrong in (None, [1, 2], pd.DataFrame({"x": []}), data["height"]):
        with pytest.raises(ArgumentError) as caught:
            save_figure(fig, "bars", wrong, folder=tmp_path)
        assert caught.value.code == "E-FIGURE-DATA"


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    fig, data = bars()
    with pytest.raises(StorageError, match="BIOMASK_FIGURES") as caught:
        save_figure(fig, "bars", data, folder=tmp_path / "file" / "figures")
    assert caught.value.file == str(tmp_path / "file" / "figures")


# ------------------------------------------------------------------------ where to


def checkout(tmp_path):
    root = tmp_path / "clone"
    (root / "biomask").mkdir(parents=True)
    (root / "biomask" / "__init__.py").write_text("")
    (root / "pyproject.toml").write_text("")
    (root / "notebooks" / "deep").mkdir(parents=True)
    return root


def test_notebooks_write_into_the_checkout(tmp_path, monkeypatch):
    monkeypatch.delenv("BIOMASK_FIGURES", raising=False)
    root = checkout(tmp_path)
    for here in (root, root / "notebooks", root / "notebooks" / "deep"):
        monkeypatch.chdir(here)
        assert figures_folder() == root / "figures"


def test_elsewhere_figures_stay_in_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.delenv("BIOMASK_FIGURES", raising=False)
    monkeypatch.chdir(tmp_path)
    fig, data = bars()
    assert save_figure(fig, "bars", data) == tmp_path / "figures" / "bars.png"


def test_the_environment_decides_first(tmp_path, monkeypatch):
    monkeypatch.chdir(checkout(tmp_path))
    monkeypatch.setenv("BIOMASK_FIGURES", str(tmp_path / "mine" / "plots"))
    fig, data = bars()
    assert save_figure(fig, "bars", data) == tmp_path / "mine" / "plots" / "bars.png"


# ------------------------------------------------------------------------ the numbers


def test_numbers_have_six_digits_and_names_stay_text():
    data = pd.DataFrame(
        {"gene": ["NA", "1e5", "TP53"], "weight": [1 / 3, 1e-9 / 7, -2.0], "n": [1, 2, 3]}
    )
    assert csv_text(data) == "gene,weight,n\nNA,0.333333,1\n1e5,1.42857e-10,2\nTP53,-2,3\n"


def test_the_index_is_written_unless_it_counts_rows():
    data = pd.DataFrame({"x": [1.5]}, index=pd.Index(["Cell cycle"], name="pathway"))
    assert csv_text(data) == "pathway,x\nCell cycle,1.5\n"
    assert csv_text(data.reset_index()) == "pathway,x\nCell cycle,1.5\n"
    assert csv_text(pd.DataFrame({"x": [1.5]}, index=[7])) == ",x\n7,1.5\n"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_formulas_are_disarmed_in_cells_index_and_header(start):
    evil = start + 'cmd|"/C calc"!A1'
    data = pd.DataFrame({evil: [evil, "fine"]}, index=pd.Index([evil, "b"], name=evil))
    back = pd.read_csv(io.StringIO(csv_text(data)), dtype=str, keep_default_na=False)
    shown = "'" + evil
    assert [*back.columns, *back.iloc[0]] == [shown, shown + ".1", shown, shown]
    assert list(back.iloc[1]) == ["b", "fine"]


def test_categories_and_mixed_columns_are_disarmed_too():
    data = pd.DataFrame(
        {"kind": pd.Categorical(["=1+1", "a"]), "mixed": [-0.1 - 0.2, "-x"], "flag": [True, False]}
    )
    assert csv_text(data) == "kind,mixed,flag\n'=1+1,-0.3,True\na,'-x,False\n"
    assert list(data["kind"]) == ["=1+1", "a"]  # the input is as it was


# ------------------------------------------------------------------------ style


def test_the_notebook_settings_neither_matter_nor_change(tmp_path):
    with style():
        fig, data = bars()
    save_figure(fig, "plain", data, folder=tmp_path)
    settings = {"font.size": 20, "pdf.fonttype": 3, "axes.spines.top": True}
    settings |= {"pdf.inheritcolor": True, "path.sketch": (1, 100, 2), "path.snap": False}
    with mpl.rc_context(settings):
        with style():
            fig, data = bars()
        save_figure(fig, "bars", data, folder=tmp_path)
        assert mpl.rcParams["font.size"] == 20
        assert mpl.rcParams["pdf.fonttype"] == 3
    assert fig.axes[0].xaxis.label.get_size() == 8
    assert not fig.axes[0].spines["top"].get_visible()
    assert b"/Type3" not in (tmp_path / "bars.pdf").read_bytes()
    for kind in ("pdf", "png"):
        plain = (tmp_path / f"plain.{kind}").read_bytes()
        assert (tmp_path / f"bars.{kind}").read_bytes() == plain


def test_colours_differ_for_every_kind_of_colour_vision():
    # Machado et al. 2009, IEEE TVCG 15:1291, severity 1.0, on linear RGB.
    vision = {
        "normal": np.eye(3),
        "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
        "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                   [-0.011820, 0.042940, 0.968881]],
        "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                   [0.004733, 0.691367, 0.303900]],
    }  # fmt: skip

    def closest(colors, matrix):
        rgb = np.array([mpl.colors.to_rgb(color) for color in colors]) ** 2.2
        seen = np.clip(rgb @ np.array(matrix).T, 0, 1) ** (1 / 2.2)
        return np.linalg.norm(seen[:, None] - seen[None], axis=2)[np.triu_indices(4, 1)].min()

    least = {name: closest(figures.PALETTE[:4], matrix) for name, matrix in vision.items()}
    assert min(least[name] for name in ("normal", "protan", "deutan")) > 0.25, least
    assert least["tritan"] > 0.1, least
    usual = ["tab:blue", "tab:orange", "tab:green", "tab:red"]  # what would not do
    assert closest(usual, vision["protan"]) < 0.1


def test_a_backend_started_inside_the_style_stays_interactive():
    # Jupyter's backend starts with the first figure; reset, it would show no other figure.
    with style():
        mpl.interactive(True)
    assert mpl.is_interactive()
    mpl.interactive(False)


def test_style_is_a_context():
    before = mpl.rcParams["font.size"]
    with style():
        assert mpl.rcParams["font.size"] == 7
    assert mpl.rcParams["font.size"] == before


def test_titles_of_the_notebook_follow_the_style_when_asked():
    with mpl.rc_context():
        mpl.rcdefaults()
        use_style()
        ax = panels(1, 1)[1]
        ax.set_title("mine")
        assert ax.title.get_size() == 8
        assert ax.legend([], []).get_frame_on() is False


# ------------------------------------------------------------------------ labels


def test_short_names_stay_as_they_are():
    assert labels.shorten("Cell cycle") == "Cell cycle"
    assert labels.wrap("Cell cycle") == "Cell cycle"
    assert labels.wrap("") == ""


def test_the_middle_is_left_out():
    assert labels.shorten("abcdefghijklmnopqrst", 11) == "abcdef…qrst"
    long = "Transcriptional regulation of brown and beige adipocyte differentiation by EBF2"
    assert labels.shorten(long, 40) == "Transcriptional regulati…tiation by EBF2"
    # where a word ends near by, whole words are kept
    text = "Signaling by nuclear receptors in the cell"
    assert labels.shorten(text, 30) == "Signaling by…in the cell"


def test_lines_break_after_separators():
    assert labels.wrap("HALLMARK_INTERFERON_ALPHA_RESPONSE") == (
        "HALLMARK_INTERFERON_ALPHA_\nRESPONSE"
    )
    assert labels.wrap("Interferon alpha/beta signaling", 20) == "Interferon alpha/\nbeta signaling"


@given(st.text(max_size=150), st.integers(2, 60), st.integers(1, 4))
@example("00 000", 2, 3)
def test_wrapped_names_fit(name, width, lines):
    shown = labels.wrap(name, width, lines).split("\n")
    assert len(shown) <= lines
    assert max(map(len, shown)) <= width


def test_control_characters_become_spaces():
    assert labels.shorten("a\n\tb\x00c") == "a b c"


def test_names_that_look_alike_are_numbered():
    head, tail = "x" * 60, "y" * 60
    shown = labels.display_names([head + "1" + tail, head + "2" + tail, "other"])
    assert len(set(shown)) == 3
    assert shown[0].endswith(" (1)")
    assert shown[1].endswith(" (2)")


@pytest.mark.parametrize("name", ["$x_1$ and $y^2$", "cost $5", r"a\$b", "under_score^2", "<b>&"])
def test_no_name_is_read_as_mathematics(name):
    with style():
        text = plt.figure().text(0, 0, labels.literal(name))
    shown, mathematics = text._preprocess_math(text.get_text())
    assert mathematics is False
    assert shown == name


def test_style_undoes_what_other_libraries_set():
    with mpl.rc_context({"legend.borderpad": 0.0, "axes.grid": True, "legend.frameon": True}):
        with style():
            assert mpl.rcParams["legend.borderpad"] == 0.4  # Matplotlib's own
            assert mpl.rcParams["legend.frameon"] is False
            assert mpl.rcParams["axes.grid"] is False
        assert mpl.rcParams["legend.borderpad"] == 0.0
