"""Parts of compiled row loops that know nothing of a model, and how they are compiled."""
