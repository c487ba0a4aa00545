"""Likelihood families by name."""

from __future__ import annotations

from ._base import Family
from .beta import Beta
from .binomial import Binomial
from .exponential import Exponential
from .gamma import Gamma
from .gaussian import Gaussian
from .lognormal import LogNormal
from .negative_binomial import NegativeBinomial
from .poisson import Poisson
from .student_t import StudentT
from .weibull import Weibull

FAMILIES: dict[str, type[Family]] = {
    family.name: family
    for family in (
        Gaussian,
        StudentT,
        Poisson,
        NegativeBinomial,
        Binomial,
        Gamma,
        LogNormal,
        Weibull,
        Exponential,
        Beta,
    )
}

__all__ = [
    "FAMILIES",
    "Beta",
    "Binomial",
    "Exponential",
    "Family",
    "Gamma",
    "Gaussian",
    "LogNormal",
    "NegativeBinomial",
    "Poisson",
    "StudentT",
    "Weibull",
]
