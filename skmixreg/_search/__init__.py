"""The search for modes, and the labels of components."""
