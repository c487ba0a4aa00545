"""Locations and scales of columns, and the map that the prior of slopes asks for."""
