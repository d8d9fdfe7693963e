"""The bundled data are what their origin says, and the toy has the truth it states."""

import gzip
import hashlib
import io
import itertools
import zipfile

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import biomask as bm
from biomask.datasets import build
from biomask.datasets.catalogue import DATASETS, FILES, GENE_SETS, RELATIONS, checksums


@pytest.fixture(scope="module")
def kang():
    return bm.load_dataset("kang")


@pytest.fixture(scope="module")
def flu():
    return bm.load_dataset("flu")


@pytest.fixture(scope="module")
def reactome():
    return bm.load_gene_sets("reactome")


# ------------------------------------------------------------------------ files


def test_every_file_has_its_sha256_and_no_other_file_is_bundled():
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in FILES.iterdir()
        if path.name != "SHA256SUMS"
    }
    assert found == checksums()
    named = [s.file for s in (*DATASETS.values(), *GENE_SETS.values(), *RELATIONS.values())]
    assert sorted(named) == sorted(found)
    assert set(build.RECIPES) == set(found)


def test_bundled_files_are_about_five_megabytes():
    assert sum(path.stat().st_size for path in FILES.iterdir()) < 5.5e6


# ------------------------------------------------------------------------ kang


def test_kang_is_2080_cells_of_9428_genes_as_raw_counts(kang):
    assert kang.shape == (2080, 9428)
    assert isinstance(kang.X, sparse.csr_matrix)
    assert kang.X.dtype == np.float32
    kang.X.check_format(full_check=True)
    assert kang.X.nnz == 1_507_801
    assert (kang.X.data == np.rint(kang.X.data)).all()
    assert kang.X.data.min() == 1
    assert kang.obs_names.is_unique
    assert kang.var_names.is_unique
    assert kang.X.getnnz(axis=0).min() >= 10  # genes seen in fewer cells were left out


def test_kang_has_130_cells_of_each_type_and_condition(kang):
    assert set(kang.obs.columns) == {"condition", "cell_type"}
    counts = pd.crosstab(kang.obs["cell_type"], kang.obs["condition"])
    assert counts.shape == (8, 2)
    assert list(counts.columns) == ["control", "stimulated"]
    assert (counts == 130).all(axis=None)
    assert all(kang.obs.dtypes == "category")


def test_kang_columns_carry_the_right_gene_names(kang):
    # ISG15 is the textbook interferon-stimulated gene; GAPDH should hardly move.
    stimulated = (kang.obs["condition"] == "stimulated").to_numpy()

    def ratio(gene):
        column = kang[:, gene].X.toarray().ravel()
        return column[stimulated].mean() / column[~stimulated].mean()

    assert ratio("ISG15") > 20
    assert 0.5 < ratio("GAPDH") < 2


# ------------------------------------------------------------------------ flu


def test_flu_is_252_samples_of_4147_genes_in_log2(flu):
    assert flu.shape == (252, 4147)
    assert flu.X.dtype == np.float32
    assert np.isfinite(flu.X).all()
    assert 3 < flu.X.min() < flu.X.max() < 15
    # GSM757899, AKT3: 4.600442 in the file of qusage, stored in half precision
    assert flu["GSM757899", "AKT3"].X.item() == pytest.approx(4.600442, abs=2e-3)


def test_flu_has_17_subjects_of_one_condition_and_gender_each(flu):
    assert list(flu.obs.columns) == ["subject", "hours", "condition", "gender"]
    assert flu.obs["subject"].nunique() == 17
    per_subject = flu.obs.groupby("subject", observed=True)
    assert (per_subject[["condition", "gender"]].nunique() == 1).all(axis=None)
    condition = per_subject["condition"].first().value_counts()
    assert condition.to_dict() == {"symptomatic": 9, "asymptomatic": 8}
    assert per_subject.size().max() == 15
    assert not flu.obs.duplicated(["subject", "hours"]).any()
    assert (flu.obs["hours"].min(), flu.obs["hours"].max()) == (0, 108)


# ------------------------------------------------------------------------ myoblasts


def test_myoblasts_are_271_cells_of_3100_hallmark_genes_in_fpkm():
    cells = bm.load_dataset("myoblasts")
    assert cells.shape == (271, 3100)
    assert cells.X.dtype == np.float32
    assert cells.obs.groupby(["hours", "medium"], observed=True).size().to_dict() == {
        (0, "growth"): 69,
        (24, "differentiation"): 74,
        (48, "differentiation"): 79,
        (72, "differentiation"): 49,
    }
    assert cells.var_names.str.fullmatch(r"ENSG\d{11}\.\d+").all()
    symbols = cells.var["gene_short_name"]
    assert set(symbols) <= set(bm.load_gene_sets("hallmark").genes)
    assert symbols.duplicated().sum() == 6
    assert ((cells.X >= 0.95).sum(axis=0) >= 14).all()  # 1, but for the rounding
    assert cells.obs_names[0] == "T0_CT_A01"


def test_myoblasts_carry_the_right_names_and_values():
    # MYH3 and MYOG are made when myoblasts become fibres; CDK1 is of dividing cells.
    cells = bm.load_dataset("myoblasts")
    mean = (
        pd.DataFrame(cells.X, columns=cells.var["gene_short_name"])
        .groupby(cells.obs["hours"].to_numpy())
        .mean()
    )
    assert mean.loc[72, "MYH3"] / mean.loc[0, "MYH3"] > 20
    assert mean.loc[24, "MYOG"] / mean.loc[0, "MYOG"] > 5
    assert mean.loc[0, "CDK1"] / mean.loc[24, "CDK1"] > 5
    # ENSG00000000971.11 in T0_CT_A01: 3.00298 in the file of HSMMSingleCell
    assert cells["T0_CT_A01", "ENSG00000000971.11"].X.item() == pytest.approx(3.00298, rel=0.03)


# ------------------------------------------------------------------------ all


@pytest.mark.parametrize("name", ["kang", "flu", "myoblasts"])
def test_dataset_says_where_it_is_from_and_is_a_fresh_copy(name):
    first = bm.load_dataset(name)
    assert first.uns["name"] == name
    assert "GEO GSE" in first.uns["origin"]
    assert "cite the paper" in first.uns["licence"]
    assert "doi:" in first.uns["citation"]
    before = first.X.sum()
    (first.X.data if sparse.issparse(first.X) else first.X)[:] = 0
    first.uns["name"] = "changed"
    second = bm.load_dataset(name)
    assert second.X.sum() == before
    assert second.uns["name"] == name


@pytest.mark.parametrize(
    ("load", "names"),
    [
        (bm.load_dataset, "'kang', 'flu', 'myoblasts'"),
        (bm.load_gene_sets, "'reactome', 'hallmark'"),
        (bm.load_relations, "'reactome'"),
        (bm.load_hierarchy, "'reactome'"),
    ],
)
@pytest.mark.parametrize("name", ["Kang2018", None, ["kang"]])
def test_unknown_name_lists_the_known_ones(load, names, name):
    with pytest.raises(bm.ArgumentError, match=f"Choose one of: {names}") as caught:
        load(name)
    assert caught.value.code == "E-DATASET"


# ------------------------------------------------------------------------ gene sets


def test_reactome_has_2681_pathways_of_11613_genes(reactome):
    assert reactome.shape == (11613, 2681)
    assert reactome.descriptions["2-LTR circle formation"] == "R-HSA-164843"
    assert reactome.descriptions.str.fullmatch(r"R-HSA-\d+").all()
    # as in the file, by eye
    members = " ".join(sorted(reactome.to_sets()["2-LTR circle formation"]))
    assert members == "BANF1 HMGA1 LIG4 PSIP1 XRCC4 XRCC5 XRCC6 gag gag-pol rev vif vpr vpu"
    assert sum(gene != gene.upper() for gene in reactome.genes) == 137
    assert 2681 - reactome.merge_identical().shape[1] == 249


def test_reactome_equals_the_lines_of_its_file(reactome):
    with gzip.open(FILES / "ReactomePathways.gmt.gz", "rt", encoding="utf-8") as file:
        fields = [line.rstrip("\n").split("\t") for line in file]
    assert {name: set(genes) for name, _, *genes in fields} == {
        name: set(genes) for name, genes in reactome.to_sets().items()
    }


def test_hallmark_has_50_sets():
    mask = bm.load_gene_sets("hallmark")
    assert mask.shape[1] == 50
    assert mask.pathways.str.startswith("HALLMARK_").all()
    assert mask.sizes()["HALLMARK_INTERFERON_GAMMA_RESPONSE"] == 200


# ------------------------------------------------------------------------ relations


def test_relations_are_2769_among_2751_pathways_with_29_roots():
    table = bm.load_relations("reactome")
    assert list(table.columns) == ["parent", "child", "parent_name", "child_name"]
    assert len(table) == 2769
    assert not table.duplicated(["parent", "child"]).any()
    assert len(set(table["parent"]) | set(table["child"])) == 2751
    assert len(set(table["parent"]) - set(table["child"])) == 29
    assert (table["child"].value_counts() > 1).sum() == 36
    names = pd.concat(
        [
            table[["parent", "parent_name"]].set_axis(["id", "name"], axis=1),
            table[["child", "child_name"]].set_axis(["id", "name"], axis=1),
        ]
    ).drop_duplicates()
    assert names["id"].is_unique  # an id has one name wherever it occurs


def test_a_child_pathway_is_a_subset_of_its_parent(reactome):
    genes = {
        reactome.descriptions[name]: set(members) for name, members in reactome.to_sets().items()
    }
    pairs = bm.load_relations("reactome")[["parent", "child"]].itertuples(index=False)
    known = [(p, c) for p, c in pairs if p in genes and c in genes]
    assert len(known) > 2500
    assert all(genes[child] <= genes[parent] for parent, child in known)


# ------------------------------------------------------------------------ toy


def test_toy_is_12_overlapping_pathways_of_8_to_15_genes():
    adata, mask = bm.toy()
    assert mask.pathways.to_list() == [f"P{j}" for j in range(1, 13)]
    assert mask.sizes().between(8, 15).all()
    sets = {name: set(genes) for name, genes in mask.to_sets().items()}
    names = list(sets)
    for (i, a), (j, b) in itertools.combinations(enumerate(names), 2):
        neighbours = (j - i) % 12 in (1, 11)
        assert len(sets[a] & sets[b]) == (2 if neighbours else 0)
    assert mask.degrees().min() == 1
    assert adata.var_names.to_list() == mask.genes.to_list()
    assert adata.X.dtype == np.float32
    assert adata.obs["y"].sum() == 100


@pytest.mark.parametrize("seed", range(5))
def test_toy_truth_is_planted_in_exactly_its_genes(seed):
    adata, mask = bm.toy(n_samples=2000, random_state=seed)
    truth = adata.uns["truth"]
    assert truth["genes"] == mask.to_sets()[truth["pathway"]]
    y = adata.obs["y"].to_numpy()
    difference = pd.Series(adata.X[y == 1].mean(0) - adata.X[y == 0].mean(0), adata.var_names)
    # standard error of a difference of means: sqrt(2 / 1000) = 0.045
    assert difference[truth["genes"]].to_numpy() == pytest.approx(truth["effect"], abs=0.23)
    assert difference.drop(truth["genes"]).to_numpy() == pytest.approx(0, abs=0.23)


def test_toy_is_learnable_repeatable_and_differs_between_seeds(tmp_path):
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_score

    adata, mask = bm.toy(random_state=1)
    again, same_mask = bm.toy(random_state=1)
    other, _ = bm.toy(random_state=2)
    assert np.array_equal(adata.X, again.X)
    assert mask == same_mask
    assert not np.array_equal(adata.X[:, :50], other.X[:, :50])
    model = LogisticRegression(C=0.01)
    assert cross_val_score(model, adata.X, adata.obs["y"], scoring="roc_auc").mean() > 0.9
    adata.write_h5ad(tmp_path / "toy.h5ad")


def test_toy_needs_a_sample_of_each_class():
    assert bm.toy(n_samples=2)[0].obs["y"].sum() == 1
    with pytest.raises(bm.ArgumentError, match="n_samples must be at least 2"):
        bm.toy(n_samples=1)


# ------------------------------------------------------------------------ building


def test_compare_tells_bytes_content_and_difference_apart():
    name = "ReactomePathways.gmt.gz"
    bundled = (FILES / name).read_bytes()
    repacked = gzip.compress(gzip.decompress(bundled), 1)
    assert build.compare(name, bundled) == "identical"
    assert repacked != bundled
    assert build.compare(name, repacked) == "same content"
    assert build.compare(name, gzip.compress(b"A\t\tB\n")) == "DIFFERENT"
    name = "flu_gse30550_252x4147.npz"
    with np.load(FILES / name, allow_pickle=False) as file:
        arrays = dict(file)
    stored = io.BytesIO()
    np.savez(stored, **arrays)
    assert build.compare(name, stored.getvalue()) == "same content"
    arrays["X"][0, 0] += 1
    np.savez(stored := io.BytesIO(), **arrays)
    assert build.compare(name, stored.getvalue()) == "DIFFERENT"


def test_relations_are_made_of_the_human_rows_with_names(tmp_path):
    folder = "binn/data/downloads/"
    with zipfile.ZipFile(tmp_path / "binn-0.1.1-py3-none-any.whl", "w") as wheel:
        wheel.writestr(
            f"{folder}reactome_pathways_names_2025_01_21.txt",
            "R-BTA-1\tRoot\tBos taurus\nR-HSA-1\tRoot\tHomo sapiens\n"
            "R-HSA-2\tLeaf A\tHomo sapiens\nR-HSA-3\tLeaf B\tHomo sapiens\n",
        )
        wheel.writestr(
            f"{folder}reactome_pathways_relation_2025_01_14.txt",
            "R-BTA-1\tR-BTA-2\nR-HSA-1\tR-HSA-3\nR-HSA-1\tR-HSA-2\n",
        )
    assert build.relations(tmp_path).decode().splitlines() == [
        "parent_id\tchild_id\tparent_name\tchild_name",
        "R-HSA-1\tR-HSA-2\tRoot\tLeaf A",
        "R-HSA-1\tR-HSA-3\tRoot\tLeaf B",
    ]


def test_build_reports_what_it_could_not_make(tmp_path, monkeypatch, capsys):
    def refuse(downloads):
        raise bm.StorageError("no network", code="E-BUILD")

    hallmark = "h.all.v2023.1.Hs.symbols.gmt"
    bundled = (FILES / hallmark).read_bytes()
    monkeypatch.setitem(build.RECIPES, "ReactomePathways.gmt.gz", refuse)
    monkeypatch.setitem(build.RECIPES, hallmark, lambda downloads: bundled)
    assert build.main([str(tmp_path / "out"), hallmark]) == 0
    assert (tmp_path / "out" / hallmark).read_bytes() == bundled
    assert build.main([str(tmp_path / "out"), "ReactomePathways.gmt.gz", hallmark]) == 1
    assert "ReactomePathways.gmt.gz: not built: no network" in capsys.readouterr().out
    monkeypatch.setitem(build.RECIPES, hallmark, lambda downloads: bundled + b"X\t\tY\n")
    assert build.main([str(tmp_path / "out"), hallmark]) == 1
