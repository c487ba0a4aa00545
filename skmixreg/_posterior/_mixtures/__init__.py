"""The predictive distribution of one row: a mixture over components and thinned draws."""
