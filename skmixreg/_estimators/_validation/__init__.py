"""Parts of what input is accepted."""
