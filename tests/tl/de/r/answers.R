# R's answers on the SIMULATED counts of simulate.py; run in this folder.
suppressMessages({library(DESeq2); library(edgeR); library(limma)})

counts <- as.matrix(read.csv(gzfile("counts.csv.gz"), row.names = 1, check.names = FALSE))
obs <- read.csv("samples.csv", row.names = 1)
obs$group <- factor(obs$group, c("low", "high"))
obs$anakinra <- factor(obs$anakinra, c("no", "yes"))
obs$time <- factor(obs$time, c("product", "day7"))
obs$sex <- factor(obs$sex)
obs$patient <- factor(obs$patient)
obs$age <- (obs$age - 55) / 10  # R asks its users to center and scale
obs$arm <- interaction(obs$anakinra, obs$group)
day7 <- obs$time == "day7"
paired <- obs$patient %in% obs$patient[obs$time == "product"]

write_gz <- function(table, name) {
  out <- gzfile(paste0(name, ".csv.gz"), "wb", compression = 9)
  write.csv(format(table, digits = 7, trim = TRUE), out, quote = FALSE)
  close(out)
}

deseq <- function(name, keep, design, contrasts) {
  dds <- DESeqDataSetFromMatrix(counts[, keep], droplevels(obs[keep, ]), design)
  dds <- DESeq(dds, quiet = TRUE)
  m <- mcols(dds)
  both <- data.frame(base_mean = m$baseMean, genewise = m$dispGeneEst, fitted = m$dispFit,
                     dispersion = m$dispersion, iterations = m$betaIter, row.names = rownames(dds))
  for (id in names(contrasts)) {
    vector <- contrasts[[id]](resultsNames(dds))
    r <- results(dds, contrast = vector)
    plain <- results(dds, contrast = vector, independentFiltering = FALSE, cooksCutoff = FALSE)
    both[paste0(id, c("_lfc", "_se", "_stat", "_p", "_padj", "_padj_plain"))] <-
      list(r$log2FoldChange, r$lfcSE, r$stat, r$pvalue, r$padj, plain$padj)
  }
  write_gz(both, paste0("deseq2_", name))
  cat(name, "prior variance", attr(dispersionFunction(dds), "dispPriorVar"),
      "trend", attr(dispersionFunction(dds), "coefficients"), attr(dispersionFunction(dds), "fitType"), "\n")
}

voomed <- function(name, keep, design, contrasts, block = FALSE) {
  some <- rowSums(counts[, keep]) > 0
  y <- calcNormFactors(DGEList(counts[some, keep]))
  here <- droplevels(obs[keep, ])
  x <- model.matrix(design, here)
  colnames(x) <- make.names(colnames(x))
  v <- voom(y, x)
  if (block) {
    cor <- duplicateCorrelation(v, x, block = here$patient)$consensus.correlation
    v <- voom(y, x, block = here$patient, correlation = cor)
    cor <- duplicateCorrelation(v, x, block = here$patient)$consensus.correlation
    fit <- lmFit(v, x, block = here$patient, correlation = cor)
  } else {
    fit <- lmFit(v, x)
    cor <- NA
  }
  both <- NULL
  for (id in names(contrasts)) {
    vector <- contrasts[[id]](colnames(x))
    f <- eBayes(contrasts.fit(fit, vector))
    t <- topTable(f, number = Inf, sort.by = "none")
    se <- sqrt(f$s2.post) * f$stdev.unscaled[, 1]
    add <- data.frame(t$logFC, se, t$t, t$P.Value, t$adj.P.Val)
    names(add) <- paste0(id, c("_lfc", "_se", "_stat", "_p", "_padj"))
    both <- if (is.null(both)) cbind(data.frame(ave = t$AveExpr, row.names = rownames(t)), add) else cbind(both, add)
  }
  write_gz(both, paste0("limma_", name))
  write.csv(data.frame(sample = colnames(y), norm_factor = y$samples$norm.factors, correlation = cor,
                       df_prior = f$df.prior, s2_prior = f$s2.prior),
            paste0("limma_", name, "_samples.csv"), row.names = FALSE)
}

last <- function(n) as.numeric(seq_along(n) == length(n))
pick <- function(...) function(n) as.numeric(n %in% c(...))
two <- list(group = last)
cross <- list(interaction = last, simple_no = function(n) as.numeric(grepl("^group", n)),
              simple_yes = function(n) as.numeric(grepl("group", n)))

deseq("two_groups", day7 & obs$anakinra == "yes", ~ group, two)
deseq("few", colnames(counts) %in% colnames(counts)[c(1, 2, 3, 7, 8)], ~ group, two)
deseq("large", which(day7)[c(11:16, 9, 17:24)], ~ group, two)
deseq("covariates", day7, ~ sex + age + group, c(two, list(age = pick("age"))))
deseq("interaction", day7, ~ anakinra * group, cross)
deseq("arms", day7, ~ arm, list(no = function(n) c("arm", "no.high", "no.low"), yes = function(n) c("arm", "yes.high", "yes.low")))
deseq("paired", paired, ~ patient + time, list(time = last))
voomed("two_groups", day7 & obs$anakinra == "yes", ~ group, two)
voomed("covariates", day7, ~ sex + age + group, two)
voomed("interaction", day7, ~ anakinra * group, cross)
voomed("paired", paired, ~ patient + time, list(time = last))
voomed("blocked", rep(TRUE, ncol(counts)), ~ time, list(time = last), block = TRUE)
writeLines(capture.output(sessionInfo()), "sessionInfo.txt")
