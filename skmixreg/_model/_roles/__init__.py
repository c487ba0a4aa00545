"""Which columns of X do what, and what follows for the rows."""
