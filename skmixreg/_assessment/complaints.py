"""What a fit warns of."""

from __future__ import annotations

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .._draws.limits import SECOND_MODE_SHARE
from .._model.priors import NumericPriors
from .._posterior.posterior import Posterior
from .._support.exceptions import MultimodalPosteriorWarning, WeaklyIdentifiedWarning
from .identification import Identification
from .solutions import solution_shares


def complaints(posterior: Posterior, priors: NumericPriors) -> list[tuple[str, type[Warning]]]:
    """Everything that is wrong with a fit: messages and their categories.

    Parameters
    ----------
    posterior : Posterior
    priors : NumericPriors
    """
    out: list[tuple[str, type[Warning]]] = []
    if posterior.failures:
        listed = "; ".join(f"({i}) {failure}" for i, failure in enumerate(posterior.failures, 1))
        out.append((f"The fit did not converge: {listed}", ConvergenceWarning))
    elif posterior.log_evidence is not None and np.isnan(posterior.log_evidence):
        out.append(
            (
                "log_evidence_ is nan: the draws and the mixture over the modes that they are "
                "bridged to hardly overlap. All else is good; for the evidence raise draws or "
                "n_init, or use another exact solver.",
                UserWarning,
            )
        )
    probability = solution_shares(posterior)
    distinct = int((probability > SECOND_MODE_SHARE).sum())
    if distinct > 1:
        shares = ", ".join(f"{share:.2f}" for share in probability[:distinct])
        out.append(
            (
                f"The posterior has {distinct} distinct solutions of probability {shares}. "
                "Averages over them (coef_, summary()) mean little: use summary(by_mode=True) and "
                "modes_. Predictions are not affected.",
                MultimodalPosteriorWarning,
            )
        )
    weak = Identification.of(posterior, priors).complaint()
    if weak is not None:
        out.append((weak, WeaklyIdentifiedWarning))
    return out
