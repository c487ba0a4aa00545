"""Compiled block functions of families with a background."""
