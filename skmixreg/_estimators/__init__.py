"""The estimators: parameters, delegation, messages; no numerics."""
