"""Both blocks of formulas, as LaTeX for a paper."""

from __future__ import annotations

from .fit import Fit
from .model_formula import model_lines
from .prior_formula import prior_lines

PRIORS = (
    "Priors. Tildes are of standardised parameters; the last lines say what these are of those "
    "above."
)
WHITENED = "C is the covariance of slopes of whitened columns: see skmixreg.Priors."
GATED = (
    "Bars are of weights at the mean of the gating columns; V has orthonormal contrasts, and "
    "slopes of the gate with tildes are those of standardised, whitened gating columns."
)

# By what the family has standardised.
OF_Y = {
    "affine": "mean and standard deviation of y, less an offset if there is one",
    "log": "mean and standard deviation of log y, less an offset if there is one",
    "none": "the linear predictor of all rows together and 1",
}
BACKGROUND = "Shares in tables are (1 - v) w_k, and v that of the background."


def latex(fit: Fit) -> str:
    """Two ``gather*`` blocks of amsmath, one formula a line, with comments.

    Parameters
    ----------
    fit : Fit
    """
    comments = [PRIORS]
    comments.append(
        f"Bars and s with y are {OF_Y[fit.design.response_scale]}; with x, those of the columns."
    )
    if fit.design.x_map is not None:
        comments.append(WHITENED)
    if fit.roles.gating and fit.n_components > 1:
        comments.append(GATED)
    shares = [f"% {BACKGROUND}"] if fit.background is not None else []
    return "\n".join(
        [
            *_block(model_lines(fit)),
            *shares,
            *(f"% {comment}" for comment in comments),
            *_block(prior_lines(fit)),
        ]
    )


def _block(lines: list[str]) -> list[str]:
    return [r"\begin{gather*}", *(rf"  {line} \\" for line in lines[:-1]), f"  {lines[-1]}",
            r"\end{gather*}"]  # fmt: skip
