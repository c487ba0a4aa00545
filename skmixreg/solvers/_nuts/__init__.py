"""Coordinates and samplers of `nuts`."""
