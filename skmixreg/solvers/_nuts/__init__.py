"""Coordinates, plans and samplers of `nuts`."""
