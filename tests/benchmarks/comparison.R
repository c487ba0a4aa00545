# The R side of comparison.py: flexmix, mixtools and, where it is installed, brms.
#
#     Rscript comparison.R REFERENCE SEED_PROBLEM SEEDS OUT
#
# REFERENCE is the folder of the reference data, SEED_PROBLEM a folder of CSV files with columns x
# and y, named by their number of rows; OUT is written as JSON, one record per fit.

suppressMessages({
  library(flexmix)
  library(mixtools)
})
arguments <- commandArgs(trailingOnly = TRUE)
reference <- arguments[1]
problems <- arguments[2]
seeds <- seq_len(as.integer(arguments[3])) - 1
out <- arguments[4]
parts <- strsplit(arguments[5], ",")[[1]]
records <- list()

keep <- function(...) records[[length(records) + 1]] <<- list(...)

# Value, what was said (printed, warned, stopped), wall and CPU seconds.
heard <- function(code) {
  said <- character(0)
  value <- NULL
  gc()
  start <- proc.time()
  printed <- capture.output(
    value <- tryCatch(
      withCallingHandlers(
        eval.parent(substitute(code)),
        warning = function(w) {
          said <<- c(said, conditionMessage(w))
          invokeRestart("muffleWarning")
        },
        message = function(m) {
          said <<- c(said, conditionMessage(m))
          invokeRestart("muffleMessage")
        }
      ),
      error = function(e) {
        said <<- c(said, paste("error:", conditionMessage(e)))
        NULL
      }
    ),
    type = "output"
  )
  used <- proc.time() - start
  list(
    value = value, said = I(unique(trimws(c(said, printed)))),
    seconds = used[["elapsed"]], cpu = sum(used[c(1, 2, 4, 5)])
  )
}

optimum_of_flexmix <- function(fit) {
  if (is.null(fit)) return(NULL)
  list(
    loglik = as.numeric(logLik(fit)), components = fit@k, converged = fit@converged,
    iterations = fit@iter, weights = I(unname(prior(fit)))
  )
}

of_flexmix <- function(fit) {
  if (is.null(fit)) return(NULL)
  parameter <- parameters(fit)
  c(optimum_of_flexmix(fit), list(
    sigma = I(unname(parameter["sigma", ])), slopes = I(unname(parameter[2, ]))
  ))
}

of_mixtools <- function(fit) {
  if (is.null(fit)) return(NULL)
  list(
    loglik = fit$loglik, components = length(fit$lambda), converged = NA,
    iterations = length(fit$all.loglik) - 1, sigma = I(as.numeric(fit$sigma)),
    slopes = I(as.numeric(fit$beta[2, ])), weights = I(as.numeric(fit$lambda))
  )
}

# Every call with every seed; read(system, value) is what is kept of its value.
run_calls <- function(case, K, calls, seeds, read) {
  for (seed in seeds) {
    for (system in names(calls)) {
      set.seed(seed)
      run <- heard(calls[[system]]())
      keep(
        system = system, case = case, K = K, seed = seed, fit = read(system, run$value),
        said = run$said, seconds = run$seconds, cpu = run$cpu
      )
    }
  }
}

# flexmix's own calls of a model.
calls_of_flexmix <- function(...) {
  list(
    "flexmix" = function() flexmix(...),
    "initFlexmix" = function() initFlexmix(...),
    "stepFlexmix, nrep = 20, minprior = 0" = function() {
      stepFlexmix(..., nrep = 20, control = list(minprior = 0))
    }
  )
}

run_case <- function(case, formula, frame, K, seeds) {
  X <- model.matrix(formula, frame)[, -1, drop = FALSE]
  y <- model.response(model.frame(formula, frame))
  calls <- c(
    calls_of_flexmix(formula, data = frame, k = K),
    list("regmixEM" = function() regmixEM(y, X, k = K))
  )
  run_calls(case, K, calls, seeds, function(system, value) {
    if (system == "regmixEM") of_mixtools(value) else of_flexmix(value)
  })
}

if ("em" %in% parts) {
  tone <- read.csv(file.path(reference, "tonedata.csv"))
  npreg <- read.csv(file.path(reference, "npreg_yn.csv"))
  engine <- read.csv(file.path(reference, "nodata_no_on_eq.csv"))
  run_case("tonedata", tuned ~ stretchratio, tone, 2, seeds)
  run_case("tonedata", tuned ~ stretchratio, tone, 3, seeds)
  run_case("npreg_yn", yn ~ x + x2, npreg, 2, seeds)
  run_case("nodata_no_on_eq", NO ~ Equivalence, engine, 2, seeds)
  for (path in list.files(problems, pattern = "csv$", full.names = TRUE)) {
    case <- paste0("seed problem, ", sub(".csv", "", basename(path)))
    run_case(case, y ~ x, read.csv(path), 2, if (file.size(path) > 1e6) head(seeds, 3) else seeds)
  }
  # Standard errors of the slopes at the best of many starts.
  set.seed(0)
  best <- stepFlexmix(
    tuned ~ stretchratio,
    data = tone, k = 3, nrep = 100, control = list(minprior = 0)
  )
  table <- refit(best)@components[[1]]
  keep(
    system = "flexmix refit", case = "tonedata", K = 3, fit = of_flexmix(best),
    se = I(unname(sapply(table, function(t) t["stretchratio", "Std. Error"])))
  )
}

# Counts, proportions, gates, groups, shared effects and offsets, as flexmix's vignettes have them.
if ("roles" %in% parts) {
  role_cases <- list(
    patent_conc = function(d) list(
      Patents ~ lgRD, k = 3, model = FLXMRglm(family = "poisson"), concomitant = FLXPmultinom(~RDS)
    ),
    betablocker = function(d) list(
      cbind(Deaths, Total - Deaths) ~ Treated | Center, k = 3,
      model = FLXMRglm(family = "binomial")
    ),
    betablocker_fix = function(d) list(
      cbind(Deaths, Total - Deaths) ~ 1 | Center, k = 3,
      model = FLXMRglmfix(family = "binomial", fixed = ~Treated)
    ),
    npreg_yn_id2 = function(d) list(yn ~ x + x2 | id2, k = 2),
    nregfix_fixed_conc = function(d) list(
      y ~ x1, k = 3, model = FLXMRglmfix(fixed = ~x2_1, varFix = TRUE),
      concomitant = FLXPmultinom(~w_1)
    ),
    seizure = function(d) list(
      Seizures ~ trt + logDay + trt_logDay, k = 2,
      model = FLXMRglm(family = "poisson", offset = d$logHours)
    )
  )
  for (case in names(role_cases)) {
    frame <- read.csv(file.path(reference, "roles", paste0(case, ".csv")))
    call <- role_cases[[case]](frame)
    calls <- do.call(calls_of_flexmix, c(call, list(data = frame)))
    run_calls(case, call$k, calls, seeds, function(system, value) optimum_of_flexmix(value))
  }
}

# What else they do is asked of them, not of memory: every call must return.
if ("features" %in% parts) {
  data("NPreg", package = "flexmix")
  set.seed(0)
  calls <- list(
    "flexmix: Poisson" = quote(flexmix(yp ~ x, NPreg, k = 2, model = FLXMRglm(family = "poisson"))),
    "flexmix: binomial, repeated measurements" = quote(flexmix(
      cbind(yb, 1 - yb) ~ x | id2, NPreg, k = 2, model = FLXMRglm(family = "binomial")
    )),
    "flexmix: gating by covariates" = quote(
      flexmix(yn ~ x + I(x^2), NPreg, k = 2, concomitant = FLXPmultinom(~x))
    ),
    "flexmix: coefficients shared by components" = quote(
      flexmix(yn ~ x, NPreg, k = 2, model = FLXMRglmfix(fixed = ~ I(x^2)))
    ),
    "flexmix: frequencies of rows" = quote(flexmix(yn ~ x, NPreg, k = 2, weights = rep(2L, 200))),
    "mixtools: Poisson" = quote(poisregmixEM(NPreg$yp, NPreg$x, k = 2, verb = FALSE)),
    "mixtools: gating by covariates" = quote(hmeEM(NPreg$yn, NPreg$x, k = 2)),
    "mixtools: bootstrap of standard errors" = quote(
      boot.se(regmixEM(NPreg$yn, cbind(NPreg$x, NPreg$x^2), k = 2), B = 5)
    ),
    "mixtools: Metropolis-Hastings" = quote(
      regmixMH(NPreg$yn, NPreg$x, k = 2, sampsize = 100)
    )
  )
  for (what in names(calls)) {
    run <- heard(eval(calls[[what]]))
    keep(system = "feature", what = what, works = !is.null(run$value), said = run$said)
  }
}

if ("brms" %in% parts && requireNamespace("brms", quietly = TRUE)) {
  suppressMessages(library(brms))
  # Debian keeps the headers of Boost and Eigen where a compiler finds them by itself.
  if (!nzchar(system.file("include", package = "BH"))) rstan::rstan_options(boost_lib = "/usr/include")
  if (!nzchar(system.file("include", package = "RcppEigen"))) {
    rstan::rstan_options(eigen_lib = "/usr/include/eigen3")
  }
  frame <- read.csv(file.path(problems, "1000.csv"))
  for (order in c("mu", "none")) {
    family <- mixture(gaussian, gaussian, order = order)
    model <- heard(brm(y ~ x, frame, family = family, chains = 0, silent = 2, refresh = 0))
    compile <- model$seconds
    for (seed in head(seeds, 5)) {
      run <- heard(update(
        model$value, newdata = frame, recompile = FALSE, chains = 4, cores = 2, seed = seed + 1,
        silent = 2, refresh = 0
      ))
      draws <- as_draws_array(run$value, variable = c("b_mu1_x", "b_mu2_x"))
      keep(
        system = paste0("brms, order = ", order), case = "seed problem, 1000", K = 2, seed = seed,
        chain_slopes = apply(draws, c(2, 3), mean), rhat = I(unname(rhat(run$value)[
          c("b_mu1_x", "b_mu2_x")
        ])), seconds = run$seconds, cpu = run$cpu, compile = compile, said = run$said
      )
    }
  }
}

versions <- lapply(
  setNames(nm = c("flexmix", "mixtools", "brms", "rstan")),
  function(p) if (requireNamespace(p, quietly = TRUE)) as.character(packageVersion(p)) else NULL
)
versions$R <- paste(R.version$major, R.version$minor, sep = ".")
jsonlite::write_json(
  list(versions = versions, runs = records), out,
  auto_unbox = TRUE, digits = NA, null = "null", na = "null", pretty = TRUE
)
