"""Rows in Dask collections: checked, and summed where they are."""
