"""A fit written up: as text, as a formula, as a block in a notebook."""
