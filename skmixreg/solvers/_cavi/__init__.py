"""The mean-field approximation of `cavi`, and its streams."""
