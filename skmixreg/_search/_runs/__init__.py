"""Runs of expectation-maximisation from one start."""
