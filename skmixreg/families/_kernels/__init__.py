"""Compiled block functions, one file per family."""
