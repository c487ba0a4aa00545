"""Seconds, memory and answers of this package beside its peers, and how they grow."""
