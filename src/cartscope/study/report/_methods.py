"""What was done, with the parameters of this run, and what to cite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cartscope.study._context import Context

CITATIONS = (
    ("AnnData", "10.21105/joss.04371"),
    ("scanpy", "10.1186/s13059-017-1382-0"),
    ("Scrublet", "10.1016/j.cels.2018.11.005"),
    ("Harmony", "10.1038/s41592-019-0619-0"),
    ("UMAP", "10.21105/joss.00861"),
    ("Leiden", "10.1038/s41598-019-41695-z"),
    ("cell-cycle genes, Tirosh et al.", "10.1126/science.aad0501"),
    ("edgeR's filter by expression", "10.12688/f1000research.8987.2"),
    ("DESeq2", "10.1186/s13059-014-0550-8"),
    ("PyDESeq2", "10.1093/bioinformatics/btad547"),
    ("quasi-likelihood for counts", "10.1515/1544-6115.1826"),
    ("moderated variances", "10.2202/1544-6115.1027"),
    ("robust moderation", "10.1214/16-AOAS920"),
    ("limma-voom", "10.1186/gb-2014-15-2-r29"),
    ("GSEA and MSigDB", "10.1073/pnas.0506580102"),
    ("Hallmark gene sets", "10.1016/j.cels.2015.12.004"),
    ("Reactome", "10.1093/nar/gkz1031"),
    ("GSEApy", "10.1093/bioinformatics/btac757"),
    ("CellPhoneDB", "10.1038/s41596-020-0292-x"),
    ("CellChat", "10.1038/s41467-021-21246-9"),
    ("LIANA", "10.1038/s41467-022-30755-0"),
)
_ENGINES = {
    "quasi_likelihood": "negative binomial regression at DESeq2's trend of dispersions, with "
    "quasi-likelihood dispersions moderated over all genes and their t",
    "deseq2": "DESeq2's Wald test",
    "limma_voom": "limma-voom's moderated t",
}
_FILTERS = {
    "by_expression": "kept by edgeR's filter by expression",
    "cpm": "with more than 10 counts per million in at least 5 profiles",
}
_TEXT = (
    (
        "Cells",
        "Cells with at least {qc[min_genes]} genes, at most {qc[max_pct_mito]:g}% mitochondrial "
        "counts and HBB of at most {qc[max_hbb]:g} were kept{mad}; {doublets}. Genes seen in at "
        "least {qc[min_cells_per_gene]} cells.",
    ),
    (
        "Map",
        "{variable}{regressed}, {embedding[n_comps]} principal components, Harmony by "
        "{embedding[batch_key]} (lambda {embedding[lamb]:g}), the first {embedding[n_comps_used]} "
        "for {embedding[n_neighbors]} neighbours, UMAP, and Leiden at resolution "
        "{embedding[resolution]:g}.",
    ),
    (
        "Names",
        "Cell types by the {cells[annotation]} rule, T-cell subsets by the {cells[t_subsets]}, CAR "
        "status by the {cells[car]} and cycling by the {cells[cell_cycle]} one.",
    ),
    (
        "Genes",
        "Counts summed per patient, time point and population; profiles of at least "
        "{pseudobulk[min_cells]} cells, genes {filter}; {engine}, Benjamini-Hochberg within a "
        "contrast at {de[alpha]:g}. The other preset's test and DESeq2's run beside it on the same "
        "profiles.",
    ),
    (
        "Gene sets",
        "Prerank on that statistic, sets of {gsea[min_size]} to {gsea[max_size]} genes of "
        "{collections}; its p permutes genes. Sets that claims rest on are also tested between "
        "patients, one score each.",
    ),
    (
        "Shares and ligands",
        "One value per patient, exact two-sided Mann-Whitney U test{within}. Composition: groups "
        "of at least {composition[min_cells]} cells; cycling: of at least {cycling[min_cells]}. "
        "Ligand-receptor score: {ligrec[score]} of the means of populations of at least "
        "{ligrec[min_cells]} cells, each seen in at least {ligrec[min_fraction]:.0%} of them; "
        "candidates by {ligrec[candidates]}.",
    ),
)

_WITHIN = (
    ", ranks within study where the patients of an arm come from both (van Elteren's test: "
    "patients of a study with one group only say nothing)"
)


def methods_text(ctx: Context) -> list[tuple[str, str]]:
    """Return a heading and a paragraph for each stage, with this run's values.

    Parameters
    ----------
    ctx
        The run.
    """
    p: dict[str, Any] = {
        section: {name: entry["value"] for name, entry in values.items()}
        for section, values in ctx.preset.model_dump().items()
        if isinstance(values, dict)
    }
    p |= _phrases(p, skipped=ctx.manifests.cohort.doublets_skip_timepoints)
    return [(heading, text.format(**p)) for heading, text in _TEXT]


def _phrases(p: dict[str, Any], *, skipped: Sequence[str]) -> dict[str, str]:
    mad, genes, regress = p["qc"]["mad"], p["genes"], p["embedding"]["regress"]
    mads = f", within {mad:g} median absolute deviations of their library"
    scored = f"doublets scored per {p['qc']['doublet_key']}"
    if skipped:
        scored += f", not in {_list([s.replace('_', ' ') for s in skipped])}"
    top = f"{genes['n_top']:,} variable genes ({genes['method']})"
    limits = "Genes within limits of mean and dispersion"
    return {
        "mad": mads if mad else "",
        "doublets": scored if p["qc"]["doublets"] else "doublets not scored",
        "variable": limits if genes["method"] == "published" else top,
        "regressed": f", {_list(regress)} regressed out" if regress else "",
        "filter": _FILTERS.get(p["pseudobulk"]["gene_filter"], p["pseudobulk"]["gene_filter"]),
        "engine": _ENGINES.get(p["de"]["engine"], p["de"]["engine"]),
        "within": _WITHIN if p["between_patients"]["within_strata"] else "",
        "collections": _list(p["gsea"]["collections"]),
    }


def _list(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else str(last)
