# DESeq2's answers to the designs that benchmarks/de_r.py lays out in a folder; called by it.
suppressMessages(library(DESeq2))
folder <- commandArgs(trailingOnly = TRUE)[1]
cat("DESeq2", as.character(packageVersion("DESeq2")), "in", R.version.string, "\n")
for (name in readLines(file.path(folder, "designs.txt"))) {
  at <- function(file) file.path(folder, paste0(name, file))
  counts <- as.matrix(read.csv(at("_counts.csv"), row.names = 1, check.names = FALSE))
  obs <- read.csv(at("_samples.csv"), row.names = 1, colClasses = "character")
  obs$depth <- as.numeric(obs$depth)
  for (v in setdiff(names(obs), "depth")) obs[[v]] <- factor(obs[[v]])
  design <- as.formula(readLines(at("_design.txt")))
  took <- system.time(
    dds <- DESeq(DESeqDataSetFromMatrix(counts, obs, design), quiet = TRUE)
  )[["elapsed"]]
  last <- as.numeric(seq_along(resultsNames(dds)) == length(resultsNames(dds)))
  r <- results(dds, contrast = last)
  plain <- results(dds, contrast = last, independentFiltering = FALSE, cooksCutoff = FALSE)
  answer <- data.frame(gene = rownames(dds), log2_fc = r$log2FoldChange, se = r$lfcSE,
                       p_value = r$pvalue, fdr = r$padj, plain = plain$padj)
  write.csv(answer, at("_r.csv"), row.names = FALSE)
  writeLines(as.character(took), at("_seconds.txt"))
}
