"""What tells cell states apart, as data: mixtures of blood profiles, then marker genes.

Levels are counts per million, chosen so that markers behave in 10x data as reviews and the
comparator's gates describe them (CD4 is sparse, CD8A is not; CCR7 and SELL in naive and central
memory cells; and so on). They are settings of the simulator, not measurements.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Recipe:
    """A profile: blood columns with weights, then factors, then levels."""

    blood: dict[str, float]
    times: dict[str, float] = field(default_factory=dict)
    cpm: dict[str, float] = field(default_factory=dict)


_NAIVE = {"CCR7": 320, "SELL": 420, "LEF1": 280, "TCF7": 420, "MAL": 160, "NELL2": 120,
          "TXK": 60, "ACTN1": 90, "NOSIP": 260, "CD27": 250, "CD28": 90, "IL7R": 500,
          "S100A4": 250, "S100A10": 150, "S100A11": 80, "ANXA1": 120, "LGALS1": 60, "ITGB1": 30,
          "AHNAK": 40, "CRIP1": 60, "GZMK": 5, "GZMA": 8, "NKG7": 10, "CCL5": 15, "GNLY": 3,
          "PRF1": 5, "GZMB": 2, "GZMH": 2, "FGFBP2": 1, "CX3CR1": 1, "KLRG1": 4,
          "CST7": 15}  # fmt: skip
_CM = {"CCR7": 260, "SELL": 260, "LEF1": 90, "TCF7": 220, "CD27": 260, "CD28": 110, "IL7R": 700,
       "S100A4": 1600, "S100A10": 600, "S100A11": 320, "ANXA1": 500, "LGALS1": 350, "ITGB1": 160,
       "AHNAK": 200, "CRIP1": 380, "GZMK": 40, "GZMA": 80, "NKG7": 40, "CCL5": 120, "GNLY": 5,
       "PRF1": 15, "GZMB": 5, "GZMH": 5, "FGFBP2": 1, "CX3CR1": 1, "KLRG1": 20,
       "CST7": 80}  # fmt: skip
_EM = {"CCR7": 6, "SELL": 30, "LEF1": 15, "TCF7": 60, "CD27": 120, "CD28": 60, "IL7R": 300,
       "S100A4": 2200, "S100A10": 700, "S100A11": 420, "ANXA1": 650, "LGALS1": 500, "ITGB1": 200,
       "AHNAK": 260, "CRIP1": 420, "GZMK": 420, "GZMA": 420, "FGFBP2": 4, "CX3CR1": 6,
       "KLRG1": 90, "CST7": 350}  # fmt: skip
_TEMRA = {"CCR7": 4, "SELL": 25, "LEF1": 8, "TCF7": 25, "CD27": 10, "CD28": 8, "IL7R": 60,
          "S100A4": 900, "S100A10": 350, "S100A11": 250, "ANXA1": 200, "LGALS1": 120, "ITGB1": 60,
          "AHNAK": 120, "CRIP1": 120, "GZMK": 8, "GZMA": 450, "NKG7": 2600, "CCL5": 2600,
          "GNLY": 2200, "PRF1": 480, "GZMB": 900, "GZMH": 800, "FGFBP2": 650, "CX3CR1": 200,
          "KLRG1": 120, "CST7": 700, "FCGR3A": 80, "KLRD1": 250, "ADGRG1": 180, "SPON2": 200,
          "ZNF683": 90, "S1PR5": 80, "NCR1": 2}  # fmt: skip
_CYTOTOXIC = {"NKG7": 1900, "CCL5": 2200, "GNLY": 300, "PRF1": 260, "GZMB": 420, "GZMH": 420,
              "CST7": 600}  # fmt: skip
_MILD = {"NKG7": 60, "CCL5": 280, "GNLY": 8, "PRF1": 30, "GZMB": 12, "GZMH": 15}
# IL13 and IL4I1 stand at the product's level; that they fall by day 7 is a planted effect
_IL = {"IL4": 0.4, "IL10": 0.6, "IL13": 300, "IL4I1": 80, "IFNG": 25}

T_COMMON = {"CD3D": 1500, "CD3E": 900, "CD3G": 420, "TRAC": 1300, "TRBC1": 500, "TRBC2": 900,
            "CD2": 450, "CD247": 220, "CXCR3": 45, "DPP4": 70, "CAP1": 260, "CD14": 3, "LYZ": 60,
            "MS4A1": 3, "IL4R": 60, "IL10RA": 140, "IL10RB": 45, "IL13RA1": 3, "TYROBP": 40,
            "FCER1G": 30, "FOXP3": 2, "IL2RA": 15, "CTLA4": 20, "IKZF2": 10, "TIGIT": 30,
            **_IL}  # fmt: skip
_OF_CD4 = {"TNFRSF25": 100, "CORO1B": 160, "AQP3": 110, "MAF": 60, "ICOS": 70, "IL6ST": 90,
           "INPP4B": 60, "TSHZ2": 60, "TRAT1": 90, "CD5": 80, "RORA": 80, "SPOCK2": 180,
           "CD40LG": 90, "TNFRSF4": 60, "ANK3": 25, "CCR4": 20, "IL2RA": 20,
           "PBXIP1": 110}  # fmt: skip
_OF_CD8 = {"CRTAM": 45, "CTSW": 380, "KLRC4": 25, "TRGC2": 100, "KLRK1": 180, "GZMM": 260,
           "APOBEC3G": 130, "LYAR": 160, "EOMES": 40, "PATL2": 40, "THEMIS": 70, "HCST": 480,
           "LINC02446": 60, "CD99": 320, "SLAMF7": 45, "CCR5": 20, "PRR5L": 25,
           "XCL2": 40}  # fmt: skip
T_LINEAGE = {
    "CD4": {
        **{gene: 0.25 * level for gene, level in _OF_CD8.items()},
        **_OF_CD4,
        "CD4": 190,
        "CD8A": 4,
        "CD8B": 4,
    },
    "CD8": {
        **{gene: 0.25 * level for gene, level in _OF_CD4.items()},
        **_OF_CD8,
        "CD4": 3,
        "CD8A": 520,
        "CD8B": 420,
    },
}
T_SUBSETS = {
    "CD4 naive": Recipe({"CD4 naive": 1}, cpm=_NAIVE),
    "CD4 CM": Recipe({"CD4 memory": 1}, cpm={**_CM, "NKG7": 30}),
    "CD4 EM": Recipe({"CD4 memory": 0.75, "CD8 effector": 0.25}, cpm={**_EM, **_MILD}),
    "CD4 TEMRA": Recipe(
        {"CD4 memory": 0.5, "CD8 effector": 0.5},
        cpm={**_TEMRA, "NKG7": 90, "CCL5": 500, "GNLY": 60, "GZMB": 60, "PRF1": 60, "GZMH": 60,
             "FGFBP2": 40, "GZMA": 120, "CST7": 120, "TXK": 50, "NOSIP": 220},
    ),
    "Treg": Recipe(
        {"CD4 memory": 1},
        cpm={**_CM, "CCR7": 70, "IL7R": 60, "FOXP3": 420, "IL2RA": 260, "CTLA4": 320,
             "IKZF2": 160, "TIGIT": 260, "RTKN2": 160, "TNFRSF18": 120, "TNFRSF1B": 160},
    ),
    "CD4 CTL": Recipe({"CD4 memory": 0.45, "CD8 effector": 0.55}, cpm={**_EM, **_CYTOTOXIC}),
    "CD8 naive": Recipe({"CD4 naive": 1}, cpm={**_NAIVE, "LINC02446": 160, "GZMM": 60, "CTSW": 90}),
    "CD8 CM": Recipe({"CD4 memory": 0.7, "CD8 effector": 0.3}, cpm={**_CM, "GZMK": 160}),
    "CD8 EM": Recipe({"CD8 effector": 1}, cpm={**_EM, **_CYTOTOXIC, "GZMK": 700}),
    "CD8 TEMRA": Recipe({"CD8 effector": 0.7, "NK": 0.3}, cpm=_TEMRA),
}  # fmt: skip

CELL_TYPES = {
    "CD14 monocyte": Recipe(
        {"CD14": 1},
        cpm={"CD14": 420, "CD3D": 15, "C1QA": 24, "C1QB": 28, "C1QC": 20, "MRC1": 30,
             "TMEM176A": 90, "TMEM176B": 180, "IL1B": 340, "CCL3": 320, "CCL4": 280,
             "IFI35": 60, "IFITM1": 45, "IFIT2": 70, "CXCL10": 40, "RETN": 60, "CAP1": 420,
             "FKBP5": 35, "TSC22D3": 500, "PER1": 25, "ZBTB16": 8, "CD163": 60},
    ),
    "CD16 monocyte": Recipe(
        {"CD16": 1}, cpm={"FCGR3A": 900, "CD14": 40, "CD3D": 15, "CDKN1C": 320}
    ),
    "NK": Recipe(
        {"NK": 1},
        cpm={"CD3D": 25, "CD3E": 30, "CD3G": 10, "CD8A": 25, "NCAM1": 60, "KLRF1": 420,
             "FCER1G": 1200, "TRAC": 40, "LYZ": 40, "IL4R": 12},
    ),
    "B": Recipe({"B": 1}, cpm={"CD3D": 10, "IL4R": 120}),
    "pDC": Recipe(
        {"B": 0.6, "cDC": 0.4},
        times={"CD79A": 0.05, "CD79B": 0.3, "MS4A1": 0.02, "FCER1A": 0.05, "CLEC10A": 0.05,
               "LYZ": 0.05, "CD1C": 0.05, "CST3": 0.7},
        cpm={"LILRA4": 1800, "CLEC4C": 500, "IL3RA": 800, "GZMB": 2600, "IRF7": 1500,
             "TCF4": 1500, "SERPINF1": 900, "PLD4": 1600, "ITM2C": 1600, "JCHAIN": 3500,
             "IRF8": 1600, "MZB1": 800, "PTGDS": 900, "CD3D": 10},
    ),
    "cDC": Recipe({"cDC": 1}, cpm={"CD1C": 420, "FCER1A": 900, "CLEC10A": 420, "CD3D": 12}),
    "platelet": Recipe(
        {"platelet": 1},
        cpm={"PF4": 9000, "PPBP": 16000, "TUBB1": 2500, "GNG11": 4000, "CD3D": 10, "LYZ": 60},
    ),
    "erythroid": Recipe(
        {"platelet": 0.3, "B": 0.35, "CD4 naive": 0.35},
        times={"CD79A": 0.02, "MS4A1": 0.02, "PPBP": 0.01, "PF4": 0.01, "IL32": 0.1, "LTB": 0.1},
        cpm={"HBB": 260000, "HBA1": 120000, "HBA2": 160000, "ALAS2": 6000, "AHSP": 9000,
             "HBD": 4000, "CA1": 3000, "SLC25A37": 4000, "HBM": 3000, "CD3D": 8},
    ),
    "ICANS-associated": Recipe(
        {"CD14": 0.8, "CD16": 0.2},
        times={"S100A12": 0.3, "VCAN": 0.5},
        cpm={"LYZ": 16000, "IL1B": 4500, "CXCL8": 6000, "CCL3": 2500, "CCL4": 1500, "CD14": 60,
             "SPP1": 800, "IL1RN": 900, "EREG": 400, "CD3D": 15, "C15orf48": 900, "SOD2": 1800},
    ),
    "LAMP3+": Recipe(
        {"cDC": 0.9, "B": 0.1},
        times={"CD79A": 0.02, "MS4A1": 0.02},
        cpm={"LAMP3": 1600, "CD83": 2200, "FSCN1": 2600, "CCL22": 2200, "CCL17": 1200,
             "BIRC3": 2600, "MARCKSL1": 2000, "IDO1": 500, "EBI3": 500, "CCR7": 1500,
             "CD1C": 4, "FCER1A": 4, "CLEC10A": 4, "CLEC9A": 2, "LYZ": 250, "IL1B": 60,
             "CD3D": 12},
    ),
}  # fmt: skip

# infusion products: activated, in culture
ACTIVATED_TIMES = {"GAPDH": 3.0, "ENO1": 4.0, "PKM": 2.5, "LDHA": 2.5, "PGK1": 2.5, "ACTB": 1.8,
                   "ACTG1": 3.0, "TUBA1B": 6.0, "TUBB": 5.0, "STMN1": 6.0, "NME1": 6.0,
                   "NCL": 2.5, "HSP90AB1": 2.5, "MIF": 4.0, "PPIA": 2.0, "NPM1": 1.6,
                   "EIF5A": 3.0, "RAN": 3.0, "MALAT1": 0.35, "TXNIP": 0.2, "IL7R": 0.5,
                   "BTG1": 0.4, "KLF2": 0.2, "FOS": 0.2, "JUNB": 0.5, "CXCR4": 0.4,
                   "GZMB": 4.0, "GZMA": 2.0, "NKG7": 1.3, "CTLA4": 3.0, "FOXP3": 1.0}  # fmt: skip
ACTIVATED_CPM = {"TNFRSF9": 160, "TNFRSF18": 260, "IL2RA": 420, "LAG3": 320, "HAVCR2": 120,
                 "XCL1": 260, "XCL2": 220, "CSF2": 220, "IL13": 300, "IL4": 30, "IL5": 120,
                 "IL10": 20, "IL4I1": 80, "LTA": 260, "CD70": 160, "BATF3": 160, "IFNG": 160,
                 "HLA-DRA": 900, "HLA-DRB1": 500, "HLA-DQA1": 160, "CD74": 2200,
                 "CCND2": 420, "MKI67": 12, "FABP5": 600, "IL9": 40, "CCL3": 220,
                 "CCL4": 420, "CCL1": 60, "IL4R": 90, "IL18R1": 40, "IL18RAP": 60}  # fmt: skip
# CAR T cells in blood a week after infusion
CAR_TIMES = {"HLA-DRA": 5.0, "HLA-DRB1": 5.0, "CD74": 2.5, "GZMA": 1.4, "ACTB": 1.3, "KLF2": 0.6,
             "LAG3": 3.0, "TXNIP": 0.6, "CD27": 1.3, "MIAT": 2.0, "PDCD1": 3.0}  # fmt: skip
CYCLING_CPM = {"TUBA1B": 1800, "TUBB": 1100, "STMN1": 1900, "H2AFZ": 1500, "HMGB1": 900,
               "HMGN2": 1100, "TUBA1C": 250, "PTMA": 1500, "DUT": 350}  # fmt: skip
# genes that go up and down together within one cell type: the simulator's programmes of activity
STRESS = ("FOS", "FOSB", "JUN", "JUNB", "JUND", "DUSP1", "DUSP2", "IER2", "CD69", "ZFP36",
          "NFKBIA", "NR4A1", "EGR1", "KLF6", "BTG2", "PPP1R15A", "TSC22D3", "HSPA1A",
          "HSPA1B", "DNAJB1")  # fmt: skip
CYTOTOXIC = ("NKG7", "CCL5", "GZMA", "GZMB", "GZMH", "PRF1", "GNLY", "CST7", "FGFBP2", "CTSW",
             "KLRD1", "CCL4", "CCL3", "HOPX", "GZMM", "KLRB1")  # fmt: skip
INFLAMMATION = ("IL1B", "CXCL8", "CCL3L1", "CCL4L2", "TNF", "NLRP3", "CXCL2", "CXCL3", "PTGS2",
                "IER3", "SOD2", "G0S2", "EREG", "THBS1")  # fmt: skip
MHC2 = ("HLA-DRA", "HLA-DRB1", "HLA-DRB5", "HLA-DPA1", "HLA-DPB1", "HLA-DQA1", "HLA-DQB1",
        "HLA-DMA", "HLA-DMB", "CD74")  # fmt: skip
CYTOSKELETON = ("ACTB", "ACTG1", "PFN1", "CFL1", "TMSB4X", "TMSB10", "ARPC1B", "ARPC2", "ARPC3",
                "CORO1A", "S100A4", "S100A6", "S100A10", "S100A11", "LGALS1", "ANXA1", "ANXA2",
                "MYL6", "MYL12A", "MYL12B", "TAGLN2", "CAPZB", "SH3BGRL3", "VIM", "LCP1", "CRIP1",
                "EMP3", "IL32", "CD52", "CLIC1", "ARHGDIB", "RAC2", "GMFG", "B2M",
                "HLA-A", "HLA-B", "HLA-C")  # fmt: skip
NUCLEAR = ("MALAT1", "NEAT1", "BTG1", "CXCR4", "TXNIP", "PNISR", "SRSF5", "DDX5", "HNRNPA2B1",
           "TSC22D3", "KLF2", "PABPC1", "SRRM2", "SON", "CCNL1", "LUC7L3", "ZFP36L2")  # fmt: skip
METABOLISM = ("GAPDH", "ENO1", "LDHA", "LDHB", "PGK1", "PKM", "TPI1", "PGAM1", "MDH2", "PRDX1",
              "PPIA", "NME2", "SOD1", "COX4I1", "COX5B", "COX6A1", "COX6B1", "COX6C", "COX7A2",
              "COX7C", "COX8A", "ATP5F1E", "ATP5MC2", "ATP5MG", "ATP5F1B", "ATP5F1A", "NDUFA4",
              "NDUFB2", "NDUFS5", "UQCRB", "UQCRH", "UQCR11", "CYCS", "ATP5PO")  # fmt: skip
GLUCOCORTICOID = ("FKBP5", "TSC22D3", "PER1", "ZBTB16", "CD163")
NAIVE = ("CCR7", "SELL", "LEF1", "TCF7", "MAL", "NELL2", "NOSIP", "LDHB")
S100 = ("S100A8", "S100A9", "S100A12", "VCAN", "FCN1", "MNDA", "CTSS", "TYROBP", "FTL", "FTH1")
