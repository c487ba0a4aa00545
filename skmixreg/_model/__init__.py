"""The posterior: rows, parameters, priors, and the compiled log density."""
