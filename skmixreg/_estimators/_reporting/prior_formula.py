"""The priors of a fitted model in LaTeX, with the numbers of its standardisation."""

from __future__ import annotations

from ...families._distributions.notation import scale_of, upright
from .fit import Fit

PLAIN = r"\mathrm{N}(0, "
# More columns than these are not listed with their means and scales.
MOST_COLUMNS = 12
# And longer vectors are written with dots.
MOST_ENTRIES = 3


def prior_lines(fit: Fit) -> list[str]:
    """Priors of the standardised parameters, which have tildes, and what these are."""
    return [*_weights(fit), *_lines(fit), *_extras(fit), *_standardised(fit), *_numbers(fit)]


def _weights(fit: Fit) -> list[str]:
    K, priors = fit.n_components, fit.posterior.priors
    out = []
    if K > 1:
        weight = r"\bar{w}" if fit.roles.gating else "w"
        vector = _enumerated([f"{weight}_{{{k}}}" for k in range(1, K + 1)])
        c = _enumerated([f"{priors.weight_concentration:g}"] * K)
        out.append(rf"({vector}) \sim \mathrm{{Dirichlet}}({c})")
    if K > 1 and fit.roles.gating:
        out.append(rf"\tilde{{a}}_m = V u_m, \quad u_m \sim {PLAIN}{priors.coef_scale:g}^2 I)")
    odds = fit.posterior.block_priors.get("background_odds")
    if odds is not None:
        out.append(odds.latex("v"))
    return out


def _enumerated(entries: list[str]) -> str:
    several = len(entries) > MOST_ENTRIES
    return ", ".join([entries[0], r"\ldots", entries[-1]] if several else entries)


def _lines(fit: Fit) -> list[str]:
    priors, layout = fit.posterior.priors, fit.layout
    out = []
    if layout.fit_intercept:
        index = "0" if layout.shared_intercept else "0k"
        out.append(rf"\tilde{{b}}_{{{index}}} \sim {PLAIN}{priors.intercept_scale:g}^2)")
    covariance = " C" if fit.design.x_map is not None else " I"
    covariance = "" if covariance == " I" and len(fit.roles.slopes) == 1 else covariance
    own = len(fit.roles.slopes) > len(fit.roles.shared_slopes)
    for named, symbol in ((own, r"\tilde{b}_k"), (fit.roles.shared_slopes, r"\tilde{d}")):
        if named:
            out.append(rf"{symbol} \sim {PLAIN}{priors.coef_scale:g}^2{covariance})")
    return out


def _extras(fit: Fit) -> list[str]:
    out = []
    for extra, symbol in zip(fit.family.extras, fit.family.symbols, strict=True):
        if extra.in_units_of_y and fit.design.y_scale != 1.0:
            symbol = _tilde(symbol)
        scale = scale_of(symbol, extra.power, extra.least, extra.unit)
        out.append(fit.posterior.block_priors[extra.name].latex(scale))
    return out


def _standardised(fit: Fit) -> list[str]:
    """What parameters with tildes are of those without."""
    layout, roles = fit.layout, fit.roles
    out = []
    own = len(roles.slopes) > len(roles.shared_slopes)
    if layout.fit_intercept:
        index = "0" if layout.shared_intercept else "0k"
        terms = [rf"b_{{{index}}}"]
        terms += [r"\sum_j b_{jk} \, \bar{x}_j"] if own else []
        terms += [r"\sum_j d_j \, \bar{x}_j"] if roles.shared_slopes else []
        out.append(rf"\tilde{{b}}_{{{index}}} = ({' + '.join(terms)} - \bar{{y}}) / s_y")
    if own:
        out.append(r"\tilde{b}_{jk} = b_{jk} \, s_j / s_y")
    if roles.shared_slopes:
        out.append(r"\tilde{d}_j = d_j \, s_j / s_y")
    for extra, symbol in zip(fit.family.extras, fit.family.symbols, strict=True):
        if extra.in_units_of_y and fit.design.y_scale != 1.0:
            out.append(f"{_tilde(symbol)} = {symbol} / s_y")
    return out


def _numbers(fit: Fit) -> list[str]:
    """Locations and scales of the data."""
    design, names = fit.design, fit.names(fit.roles.slopes)
    out = [rf"\bar{{y}} = {_number(design.y_mean)}, \quad s_y = {_number(design.y_scale)}"]
    if len(names) <= MOST_COLUMNS:
        columns = zip(names, design.x_mean.tolist(), design.x_scale.tolist(), strict=True)
        out += [
            rf"\bar{{x}}_{{{j}}} = {_number(mean)}, \quad s_{{{j}}} = {_number(scale)} "
            rf"\quad ({upright(name)})"
            for j, (name, mean, scale) in enumerate(columns, start=1)
        ]
    return out


def _tilde(symbol: str) -> str:
    """Over a symbol and not over its subscript."""
    letter = symbol.removesuffix("_k")
    return rf"\tilde{{{letter}}}{symbol[len(letter) :]}"


def _number(value: float) -> str:
    mantissa, _, power = f"{value:.4g}".partition("e")
    return rf"{mantissa} \cdot 10^{{{int(power)}}}" if power else mantissa
