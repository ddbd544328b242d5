# Answers of R to the questions that tests/stats asks: Rscript make.R, in this folder.
# Data are SIMULATED here, from the seed below. Packages: base R, coin (exact tests under ties),
# exactRankTests (a second exact implementation); versions in versions.txt.
suppressPackageStartupMessages({library(coin); library(exactRankTests)})
set.seed(246490)
join <- function(v) paste(ifelse(is.na(v), "NA", formatC(v, digits = 15, format = "g", width = 1)), collapse = ";")
num <- function(v) format(v, digits = 17, trim = TRUE)
save <- function(rows, file) write.csv(do.call(rbind, rows), file, row.names = FALSE, quote = FALSE)

draws <- list(
  untied = function(n, m) list(round(rnorm(n, 0.7), 6), round(rnorm(m), 6)),
  zeros = function(n, m) list(round(pmax(rnorm(n, 0.8), 0), 4), round(pmax(rnorm(m), 0), 4)),
  counts = function(n, m) list(rpois(n, 2.5), rpois(m, 1.2)),
  binary = function(n, m) list(rbinom(n, 1, 0.7), rbinom(m, 1, 0.3))
)
sizes <- list(c(6, 4), c(4, 6), c(10, 6), c(5, 5), c(3, 4), c(1, 7), c(12, 9), c(25, 18))
alternatives <- c("two.sided", "greater", "less")

# Mann-Whitney -----------------------------------------------------------------------------------
rows <- list()
for (kind in names(draws)) for (size in sizes) {
  values <- draws[[kind]](size[1], size[2])
  x <- values[[1]]; y <- values[[2]]
  if (length(unique(c(x, y))) == 1) next
  group <- factor(rep(c("x", "y"), size)); pooled <- c(x, y)
  for (alternative in alternatives) {
    rough <- suppressWarnings(wilcox.test(x, y, alternative = alternative, exact = FALSE))
    by_coin <- coin::wilcox_test(pooled ~ group, distribution = "exact", alternative = alternative)
    other <- exactRankTests::wilcox.exact(x, y, alternative = alternative, exact = TRUE)
    base <- if (kind == "untied") wilcox.test(x, y, alternative = alternative, exact = TRUE)$p.value else NA
    rows[[length(rows) + 1]] <- data.frame(
      kind = kind, alternative = alternative, x = join(x), y = join(y), u = num(unname(rough$statistic)),
      p_wilcox_exact = num(base), p_coin_exact = num(as.numeric(coin::pvalue(by_coin))),
      p_exact_rank_tests = num(other$p.value), p_wilcox_asymptotic = num(rough$p.value))
  }
}
save(rows, "mann_whitney.csv")

# signed rank ------------------------------------------------------------------------------------
paired <- list(
  untied = function(n) round(rnorm(n, 0.5), 6),
  ties = function(n) sample(c(-3:-1, 1:4), n, replace = TRUE),
  zeros = function(n) sample(-2:4, n, replace = TRUE)
)
rows <- list()
for (kind in names(paired)) for (n in c(5, 8, 13, 20, 35)) {
  d <- paired[[kind]](n)
  for (alternative in alternatives) {
    rough <- suppressWarnings(wilcox.test(d, alternative = alternative, exact = FALSE))
    sign_exact <- function(zeros) as.numeric(coin::pvalue(coin::wilcoxsign_test(
      d ~ rep(0, n), distribution = "exact", zero.method = zeros, alternative = alternative)))
    base <- if (kind == "untied") wilcox.test(d, alternative = alternative, exact = TRUE)$p.value else NA
    rows[[length(rows) + 1]] <- data.frame(
      kind = kind, alternative = alternative, d = join(d), v = num(unname(rough$statistic)),
      p_wilcox_exact = num(base), p_coin_wilcoxon = num(sign_exact("Wilcoxon")),
      p_coin_pratt = num(sign_exact("Pratt")), p_wilcox_asymptotic = num(rough$p.value))
  }
}
save(rows, "signed_rank.csv")

# Hodges-Lehmann ---------------------------------------------------------------------------------
rows <- list()
for (size in sizes) for (level in c(0.9, 0.95)) {
  values <- draws$untied(size[1], size[2])
  # where R can't attain the level it warns and gives the range of the differences
  attainable <- 2 / choose(sum(size), size[1]) <= 1 - level
  if (!attainable) next
  answer <- wilcox.test(values[[1]], values[[2]], conf.int = TRUE, conf.level = level, exact = TRUE)
  rows[[length(rows) + 1]] <- data.frame(
    x = join(values[[1]]), y = join(values[[2]]), confidence = level, estimate = num(unname(answer$estimate)),
    low = num(answer$conf.int[1]), high = num(answer$conf.int[2]))
}
save(rows, "hodges_lehmann.csv")

# the distribution of U itself -------------------------------------------------------------------
rows <- list()
for (size in list(c(1, 1), c(4, 6), c(10, 6), c(3, 30), c(20, 20), c(49, 49), c(45, 12)))
  for (share in c(0, 0.1, 0.25, 0.4, 0.5, 0.8)) {
    u <- floor(share * prod(size))
    rows[[length(rows) + 1]] <- data.frame(n_x = size[1], n_y = size[2], u = u, p = num(pwilcox(u, size[1], size[2])))
  }
save(rows, "u_distribution.csv")

# adjustment and proportions ---------------------------------------------------------------------
p <- c(round(runif(30)^3, 6), 0, 1, NA, 0.01, 0.01, NA, 2 / 210, 2 / 210)
write.csv(data.frame(p = num(p), q = num(p.adjust(p, "BH"))), "adjust.csv", row.names = FALSE, quote = FALSE)
rows <- list()
for (pair in list(c(0, 4), c(4, 4), c(1, 4), c(8, 15), c(9, 15), c(3, 10), c(0, 1), c(57, 300)))
  for (level in c(0.9, 0.95)) {
    ci <- binom.test(pair[1], pair[2], conf.level = level)$conf.int
    rows[[length(rows) + 1]] <- data.frame(k = pair[1], n = pair[2], confidence = level, low = num(ci[1]), high = num(ci[2]))
  }
save(rows, "proportion.csv")

writeLines(c(R.version.string, paste("coin", packageVersion("coin")),
             paste("exactRankTests", packageVersion("exactRankTests"))), "versions.txt")
