"""Sums over rows of the log-likelihood and its derivatives: one driver, and what it sums."""
