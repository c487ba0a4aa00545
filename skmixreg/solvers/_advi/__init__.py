"""PyMC's ADVI on scaled coordinates."""
