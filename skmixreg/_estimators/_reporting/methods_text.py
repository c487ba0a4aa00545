"""What was fitted and how, in sentences for a methods section."""

from __future__ import annotations

from ...families._distributions.notation import scale_of
from ...solvers import SOLVERS
from .fit import Fit
from .rounding import listed, total


def model_sentences(fit: Fit) -> list[str]:
    """The model: components, distribution, roles of columns."""
    K = fit.n_components
    what = "one linear regression" if K == 1 else f"a Bayesian mixture of {K} linear regressions"
    out = [
        f"We fitted {what} to {_rows(fit)}.",
        f"In {'the' if K == 1 else 'each'} component responses are {fit.notation.words}.",
        *_columns(fit),
        *_roles(fit),
    ]
    shared = [name for name in fit.family.extra_names if name in fit.layout.shared_extras]
    if K > 1 and shared:
        out.append(f"All components share {listed(shared)}.")
    return out


def _rows(fit: Fit) -> str:
    rows = f"{total(fit.n_rows)} rows"
    if fit.roles.group is None:
        return rows
    (group,) = fit.names([fit.roles.group])
    return f"{rows} in {total(fit.n_units)} groups ({group}), whose rows share one membership"


def _columns(fit: Fit) -> list[str]:
    roles, K = fit.roles, fit.n_components
    own = [name for j, name in zip(roles.slopes, fit.names(roles.slopes), strict=True)
           if j not in roles.shared]  # fmt: skip
    shared = fit.names([j for j in roles.slopes if j in roles.shared])
    each = "a slope" if K == 1 else "a slope in every component"
    out = [f"Columns with {each}: {listed(own)}."] if own else []
    if shared:
        out.append(f"Columns with one slope for all components: {listed(shared)}.")
    if not (own or shared):
        out.append("No column has a slope.")
    if not fit.layout.fit_intercept:
        out.append("There is no intercept.")
    elif fit.layout.shared_intercept and K > 1:
        out.append("All components share one intercept.")
    return out


def _roles(fit: Fit) -> list[str]:
    roles, out = fit.roles, []
    if roles.gating:
        names = listed(fit.names(roles.gating))
        out.append(f"The mixing weights depend on {names} by a multinomial logit.")
    if roles.offset is not None:
        name = fit.column_names[roles.offset]
        out.append(f"The column {name} is an offset of the linear predictor.")
    if roles.exposure is not None:
        name = fit.column_names[roles.exposure]
        out.append(f"The logarithm of {name}, the exposure, is an offset of the linear predictor.")
    options = [] if fit.censoring else list(fit.family.columns)
    for option, name in zip(options, fit.family_columns, strict=True):
        out.append(f"The column {name} holds the {option.replace('_', ' ')} of every row.")
    if fit.censoring:
        out.append(
            f"The column {fit.censoring} says which responses are censored, and these count with "
            "the probability of what is known of them."
        )
    if fit.background is not None:
        out.append(
            f"Beside these there is a background without a line, {fit.background.words}, for rows "
            "that follow none of them."
        )
    if fit.layout.fixed_labels:
        out.append(
            "Memberships of some rows were known, or had prior probabilities, and were given."
        )
    return out


def estimation_sentences(fit: Fit) -> list[str]:
    """The solver, and how many draws there are."""
    name, asked = fit.posterior.solver, fit.solver.name
    by = SOLVERS.get(name, fit.solver)
    chosen = "" if asked == name else f", chosen by {asked!r}"
    how = f"solver {name!r}{chosen} ({by.summary})"
    if fit.is_point:
        return [
            f"The parameters are those at one point, the highest mode of the posterior, by {how}.",
            "A point has neither standard errors nor intervals, and none are given.",
        ]
    kind = "the posterior" if by.exact else "an approximation to the posterior"
    chains = len(fit.posterior.log_prior)
    of_chains = f" in {chains} chains" if chains > 1 else ""
    out = [f"We took {fit.n_draws} draws from {kind}{of_chains} by {how}{_effective(fit)}."]
    if not by.exact:
        out.append("Intervals of an approximation may be too short.")
    return out


def _effective(fit: Fit) -> str:
    report = fit.posterior.report
    found = [
        (f"at least {report['ess_bulk']:.0f} of them effective" if "ess_bulk" in report else ""),
        (
            f"{report['n_proposals']} proposals were worth {report['importance_ess']:.0f} "
            "independent draws"
            if {"importance_ess", "n_proposals"} <= report.keys()
            else ""
        ),
    ]
    said = [words for words in found if words]
    return f"; {'; '.join(said)}" if said else ""


def prior_sentences(fit: Fit) -> list[str]:
    """What is believed before the data."""
    priors, of_blocks = fit.posterior.priors, fit.posterior.block_priors
    scaled = fit.design.response_scale
    responses = {"affine": ", and so is the response", "log": ", and so is the log response"}
    whitened = fit.design.x_map is not None
    out = [
        "Priors are stated on a standardised scale: columns are centred and scaled to unit "
        f"standard deviation{responses.get(scaled, '')}."
        if fit.layout.fit_intercept
        else "Priors are stated on a standardised scale: columns are scaled to unit root mean "
        f"square{responses.get(scaled, '')}."
    ]
    if fit.n_components > 1:
        at = " at the mean of the gating columns" if fit.roles.gating else ""
        out.append(
            f"Mixing weights{at} have a Dirichlet prior of concentration "
            f"{priors.weight_concentration:g}."
        )
    if "intercept" in of_blocks:
        where = (
            ", centred at the link of the mean response,"
            if scaled == "none" else ""
        )  # fmt: skip
        out.append(
            f"Intercepts at the mean of the columns{where} are normal with standard deviation "
            f"{priors.intercept_scale:g}."
        )
    slopes = ["slopes"] if fit.roles.slopes else []
    slopes += ["orthonormal contrasts of the slopes of the gate"] if fit.roles.gating else []
    if slopes:
        together = ", that of all whitened columns together" if whitened else ""
        out.append(
            f"{listed(slopes).capitalize()} are normal with mean 0 and standard deviation "
            f"{priors.coef_scale:g}{together}."
        )
    for extra in fit.family.extras:
        scale = scale_of(extra.name, extra.power, extra.least, extra.unit)
        scale = scale.replace("{", "(").replace("}", ")")
        out.append(f"The prior of {scale} is {of_blocks[extra.name].words}.")
    odds = of_blocks.get("background_odds")
    if odds is not None:
        out.append(f"The prior of the share of the background is {odds.words}.")
    return out
