"""Distributions that several families share."""
