"""Draws as solvers hand them back: judged, weighed, with their evidence."""
