# The code in R of a page docs/coming-from-NAME.md, run as it stands; see coming_from.py.
#
#     Rscript coming_from.R PAGE FOLDER OUT.json
#
# What the code writes goes to FOLDER.  Every fit that it leaves behind is kept in OUT.json under its
# name.

arguments <- commandArgs(trailingOnly = TRUE)
lines <- readLines(arguments[1])
out <- file.path(normalizePath(dirname(arguments[3])), basename(arguments[3]))
setwd(arguments[2])

# Debian keeps the headers of Boost and Eigen where a compiler finds them by itself.
if (requireNamespace("rstan", quietly = TRUE)) {
  if (!nzchar(system.file("include", package = "BH"))) rstan::rstan_options(boost_lib = "/usr/include")
  if (!nzchar(system.file("include", package = "RcppEigen"))) {
    rstan::rstan_options(eigen_lib = "/usr/include/eigen3")
  }
}

opening <- which(lines == "```r")
closing <- sapply(opening, function(i) i + which(lines[-seq_len(i)] == "```")[1])
code <- unlist(Map(function(a, b) lines[(a + 1):(b - 1)], opening, closing))
place <- new.env(parent = globalenv())
for (call in parse(text = code)) print(eval(call, place))

named <- function(x) if (is.null(names(x))) unname(x) else as.list(x)

# Coefficients and their standard errors, a list per component; refit orders components as the fit.
of_flexmix <- function(fit) {
  values <- parameters(fit)
  of_lines <- grepl("^coef\\.", rownames(values))
  coefficients <- values[of_lines, , drop = FALSE]
  rownames(coefficients) <- sub("^coef\\.", "", rownames(coefficients))
  tables <- refit(fit)@components[[1]]
  list(
    loglik = as.numeric(logLik(fit)), df = attr(logLik(fit), "df"), bic = BIC(fit),
    coef = lapply(seq_len(ncol(coefficients)), function(k) as.list(coefficients[, k])),
    se = lapply(tables, function(t) as.list(setNames(t[, "Std. Error"], rownames(t)))),
    sigma = I(if ("sigma" %in% rownames(values)) unname(values["sigma", ]) else numeric(0)),
    weights = I(unname(prior(fit)))
  )
}

of_mixtools <- function(fit) {
  names <- c("(Intercept)", paste0("x", seq_len(nrow(fit$beta) - 1)))
  list(
    loglik = fit$loglik,
    coef = lapply(seq_len(ncol(fit$beta)), function(k) as.list(setNames(fit$beta[, k], names))),
    sigma = I(fit$sigma), weights = I(fit$lambda)
  )
}

of_brms <- function(fit) {
  draws <- brms::as_draws_array(fit)
  list(
    names = dimnames(draws)[[3]], chain_means = apply(draws, c(2, 3), mean),
    chain_sds = apply(draws, c(2, 3), sd), rhat = as.list(brms::rhat(fit))
  )
}

fits <- setNames(list(), character()) # an object in JSON, also where there is none
for (name in ls(place)) {
  value <- get(name, place)
  if (is(value, "flexmix")) fits[[name]] <- of_flexmix(value)
  if (inherits(value, "mixEM")) fits[[name]] <- of_mixtools(value)
  if (inherits(value, "brmsfit")) fits[[name]] <- of_brms(value)
}
loaded <- intersect(c("flexmix", "mixtools", "brms", "rstan"), loadedNamespaces())
versions <- lapply(setNames(nm = loaded), function(p) as.character(packageVersion(p)))
versions$R <- paste(R.version$major, R.version$minor, sep = ".")
jsonlite::write_json(
  list(versions = versions, fits = fits), out,
  auto_unbox = TRUE, digits = NA, null = "null", na = "null"
)
