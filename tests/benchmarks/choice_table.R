# flexmix on the data of choice_table.py: BIC of every number of components.
#
#     Rscript choice_table.R DIRECTORY LARGEST
#
# Reads every DIRECTORY/*.csv (columns y, x1, x2) and writes DIRECTORY/flexmix.csv.

suppressMessages(library(flexmix))
arguments <- commandArgs(trailingOnly = TRUE)
files <- sort(list.files(arguments[1], pattern = "^set.*csv$", full.names = TRUE))
rows <- list()
for (file in files) {
  data <- read.csv(file)
  set.seed(1)
  capture.output(
    fits <- suppressWarnings(
      initFlexmix(y ~ x1 + x2, data = data, k = seq_len(as.integer(arguments[2])), nrep = 3)
    )
  )
  rows[[length(rows) + 1]] <- data.frame(
    set = sub(".csv", "", basename(file), fixed = TRUE), chosen = getModel(fits, "BIC")@k
  )
}
write.csv(do.call(rbind, rows), file.path(arguments[1], "flexmix.csv"), row.names = FALSE)
