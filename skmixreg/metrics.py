"""Scores of predictive densities."""

from __future__ import annotations

from typing import Any

import numpy as np


def generalised_r2(log_density: Any, y: Any, sample_weight: Any = None) -> float:
    raise NotImplementedError


def mean_log_predictive_density_scorer(
    estimator: Any, X: Any, y: Any, sample_weight: Any = None
) -> float:
    raise NotImplementedError
