"""Rows at which draws are evaluated."""
