"""Helpers around cross-validation: `one_standard_error`, `cross_val_responsibilities`."""
