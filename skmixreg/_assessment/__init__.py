"""What is asked of a fitted model: diagnostics, leave-one-out, criteria, sensitivity."""
