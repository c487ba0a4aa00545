# The R contenders of the part "peers"; run by it.
#
#     Rscript peers.R NAME FIRST SECOND N STARTS STARTS_SECONDS
#
# FIRST and SECOND are files of N values of x and N values of y, doubles.  A record is a line that
# begins with @@, as in process.py.

suppressMessages({
  library(flexmix)
  library(mixtools)
})
arguments <- commandArgs(trailingOnly = TRUE)
name <- arguments[1]
n <- as.integer(arguments[4])
starts <- as.integer(arguments[5])
starts_seconds <- as.numeric(arguments[6])

read <- function(path) {
  values <- readBin(path, "double", 2 * n)
  data.frame(x = values[1:n], y = values[n + 1:n])
}

of_flexmix <- function(fit) {
  list(
    slopes = I(sort(unname(parameters(fit)[2, ]))), converged = fit@converged,
    said = paste("converged", fit@converged)
  )
}

contenders <- list(
  "flexmix" = function(frame) of_flexmix(flexmix(y ~ x, data = frame, k = 2)),
  "initFlexmix + refit" = function(frame) {
    fit <- initFlexmix(y ~ x, data = frame, k = 2, nrep = 3)
    table <- refit(fit)
    c(of_flexmix(fit), list(sd = min(sapply(table@components[[1]], function(t) t["x", 2]))))
  },
  "regmixEM" = function(frame) {
    fit <- regmixEM(frame$y, frame$x, k = 2)
    # It warns when it has not converged, and says nothing else.
    list(slopes = I(sort(as.numeric(fit$beta[2, ]))), converged = TRUE, said = "no complaint")
  }
)

status <- function(field) {
  lines <- readLines("/proc/self/status")
  1024 * as.numeric(sub("\\D*(\\d+).*", "\\1", grep(paste0("^", field, ":"), lines, value = TRUE)))
}

timed <- function(what, frame, state) {
  set.seed(state)
  gc()
  try(cat("5", file = "/proc/self/clear_refs"), silent = TRUE)
  before <- status("VmRSS")
  complaints <- character(0)
  clock <- proc.time()
  capture.output(answer <- withCallingHandlers(
    contenders[[name]](frame),
    warning = function(w) {
      complaints <<- c(complaints, conditionMessage(w))
      invokeRestart("muffleWarning")
    },
    message = function(m) invokeRestart("muffleMessage")
  ))
  used <- proc.time() - clock
  if (length(complaints)) answer$said <- paste(unique(complaints), collapse = "; ")
  if (length(complaints) && name == "regmixEM") answer$converged <- FALSE
  record <- c(list(
    what = what, state = state, seconds = used[["elapsed"]], cpu = sum(used[c(1, 2, 4, 5)]),
    peak = max(status("VmHWM") - before, 0)
  ), answer)
  cat("@@", jsonlite::toJSON(record, auto_unbox = TRUE, digits = NA), "\n", sep = "")
  flush(stdout())
}

timed("first", read(arguments[2]), 0)
frame <- read(arguments[3])
timed("second", frame, 1)
begun <- proc.time()[["elapsed"]]
for (state in seq_len(max(starts - 1, 0)) + 1) {
  timed("start", frame, state)
  if (proc.time()[["elapsed"]] - begun > starts_seconds) break
}
