"""Aligned draws in the user's units, and what follows from them by formulas."""
