"""What is known about gene symbols: renamed ones, and the ones that a spreadsheet turns into dates.

Renamings are approvals of the HUGO Gene Nomenclature Committee (genenames.org; Bruford et al. 2020,
Nature Genetics 52:754, for the families renamed because of spreadsheets). Only symbols with one
successor are listed: where the old symbol has meant two genes, nothing can be suggested.
"""

from __future__ import annotations

_FAMILIES = {  # old prefix -> (new prefix, numbers)
    "MARCH": ("MARCHF", range(1, 12)),
    "MARC": ("MTARC", range(1, 3)),
    "SEPT": ("SEPTIN", (*range(1, 13), 14)),
}

_RENAMED = """
DEC1 DELEC1       SEP15 SELENOF     SEPP1 SELENOP     SEPW1 SELENOW     SELK SELENOK
SELM SELENOM      SELS SELENOS      SELT SELENOT      G6PC G6PC1        IL8 CXCL8
CYR61 CCN1        CTGF CCN2         NOV CCN3          WISP1 CCN4        WISP2 CCN5
WISP3 CCN6        GNB2L1 RACK1      TMEM173 STING1    MB21D1 CGAS       C10orf54 VSIR
PARK2 PRKN        MLL KMT2A         MLL3 KMT2C        WHSC1 NSD2        WHSC1L1 NSD3
SETD8 KMT5A       SUV420H1 KMT5B    MRE11A MRE11      SHFM1 SEM1        STRA13 CENPX
H2AFX H2AX        H2AFZ H2AZ1       H2AFV H2AZ2       H2AFY MACROH2A1   H2AFY2 MACROH2A2
H3F3A H3-3A       H3F3B H3-3B       HIST1H4C H4C3     HIST1H1C H1-2     H1F0 H1-0
ATP5A1 ATP5F1A    ATP5B ATP5F1B     ATP5C1 ATP5F1C    ATP5D ATP5F1D     ATP5E ATP5F1E
ATP5F1 ATP5PB     ATP5G1 ATP5MC1    ATP5G2 ATP5MC2    ATP5G3 ATP5MC3    ATP5H ATP5PD
ATP5I ATP5ME      ATP5J ATP5PF      ATP5J2 ATP5MF     ATP5L ATP5MG      ATP5O ATP5PO
AARS AARS1        CARS CARS1        DARS DARS1        EPRS EPRS1        GARS GARS1
HARS HARS1        IARS IARS1        KARS KARS1        LARS LARS1        MARS MARS1
NARS NARS1        QARS QARS1        RARS RARS1        SARS SARS1        TARS TARS1
VARS VARS1        WARS WARS1        YARS YARS1        ADSSL1 ADSS1      ADSS ADSS2
TCEB1 ELOC        TCEB2 ELOB        TCEB3 ELOA        GPR56 ADGRG1      EMR1 ADGRE1
CD97 ADGRE5       BAI1 ADGRB1       PVRL1 NECTIN1     PVRL2 NECTIN2     PVRL3 NECTIN3
PVRL4 NECTIN4     PTRF CAVIN1       SDPR CAVIN2       PRKCDBP CAVIN3    MURC CAVIN4
FAM46A TENT5A     FAM46C TENT5C     KIAA0101 PCLAF    KIAA1524 CIP2A    FAM64A PIMREG
CASC5 KNL1        MLF1IP CENPU      HN1 JPT1          FAM129A NIBAN1    AIM1 CRYBG1
PPAP2A PLPP1      PPAP2B PLPP3      PPAP2C PLPP2      MKL1 MRTFA        MKL2 MRTFB
DFNA5 GSDME       DFNB31 WHRN       TROVE2 RO60       RFWD2 COP1        SKIV2L SKIC2
SKIV2L2 MTREX     GUCY1A3 GUCY1A1   GUCY1B3 GUCY1B1   ICK CILK1         FAM175A ABRAXAS1
BRE BABAM2        NGFRAP1 BEX3      FIGF VEGFD        IKBKAP ELP1       NUPL1 NUP58
NUPL2 NUP42       LEPREL1 P3H2      RQCD1 CNOT9       WBSCR22 BUD23     LARGE LARGE1
"""


def _successors() -> dict[str, str]:
    words = _RENAMED.split()
    table = dict(zip(words[::2], words[1::2], strict=True))
    for old, (new, numbers) in _FAMILIES.items():
        table |= {f"{old}{n}": f"{new}{n}" for n in numbers}
    return table


SUCCESSOR = _successors()  # old symbol -> approved symbol
PREDECESSOR = {new: old for old, new in SUCCESSOR.items()}

# The month's number for its abbreviation in English, German, French, Spanish, Italian,
# Portuguese and Dutch: spreadsheets write dates in the language of whoever opened the file.
MONTHS = {
    word: number
    for number, words in enumerate(
        (
            "jan janv ene gen",
            "feb febr févr fev",
            "mar mars mär mrz märz mrt march",
            "apr avr abr",
            "may mai mag mei maio",
            "jun juin giu",
            "jul juil lug",
            "aug août ago",
            "sep sept set",
            "oct okt ott out",
            "nov",
            "dec dez déc dic",
        ),
        start=1,
    )
    for word in words.split()
}

# (month, number) -> what was typed, most likely first.
_OTHER_DATES = {
    (4, 1): ("MAGEH1", "APR1"),
    (4, 3): ("ATRAID", "APR3"),
    (9, 15): ("SELENOF", "SEP15"),
    (10, 1): ("POU2F1", "OCT1", "SLC22A1"),
    (10, 2): ("POU2F2", "OCT2", "SLC22A2"),
    (10, 3): ("SLC22A3", "OCT3"),
    (10, 4): ("POU5F1", "OCT4"),
    (10, 6): ("POU3F1", "OCT6"),
    (10, 7): ("POU3F2", "OCT7"),
    (10, 8): ("POU3F3", "OCT8"),
    (10, 9): ("POU3F4", "OCT9"),
    (10, 11): ("POU2F3", "OCT11"),
    (12, 1): ("DELEC1", "DEC1", "BHLHE40"),
    (12, 2): ("BHLHE41", "DEC2"),
}


def genes_behind_date(month: int, number: int) -> tuple[str, ...]:
    """Symbols that a spreadsheet shows as this day of this month; empty when none is known."""
    prefixes = {3: ("MARCH", "MARC"), 9: ("SEPT",)}.get(month, ())
    olds = [f"{p}{number}" for p in prefixes if number in _FAMILIES[p][1]]
    pairs = [name for old in olds for name in (SUCCESSOR[old], old)]
    return (*pairs, *_OTHER_DATES.get((month, number), ()))
