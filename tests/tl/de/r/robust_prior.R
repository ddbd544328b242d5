# limma's robust moderation of variances, some of which are wild; versions in sessionInfo.txt.
# Rscript robust_prior.R in this folder writes robust_prior.csv.gz
suppressMessages(library(limma))
set.seed(1)
df <- rep(c(6, 4, 9), 100)
s2 <- 0.8 * rchisq(300, df) / df / (rchisq(300, 12) / 12)
s2[1:4] <- c(60, 15, 9, 200)
x <- squeezeVar(s2, df, robust = TRUE)
out <- data.frame(s2 = s2, df = df, df_prior = x$df.prior, var_prior = x$var.prior, var_post = x$var.post)
write.csv(out, gzfile("robust_prior.csv.gz"), row.names = FALSE)
