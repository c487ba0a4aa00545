"""Moves and particles of `smc`."""
