"""What every room needs: arrays, sampling, errors, progress."""
