"""The density of a fitted model in LaTeX, line by line."""

from __future__ import annotations

from ...families._distributions.notation import upright
from .fit import Fit

# Terms of a sum that stand on one line.
TERMS = 4


def model_lines(fit: Fit) -> list[str]:
    """Density of a row or group, of a row in a component, linear predictor, and weights."""
    return [_mixture(fit), *_of_component(fit), *_predictor(fit), *_weights(fit)]


def _weight(fit: Fit) -> str:
    if not fit.roles.gating:
        return "w_k"
    return "w_{ik}" if fit.roles.group is None else "w_{jk}"


def _mixture(fit: Fit) -> str:
    K, group = fit.n_components, fit.roles.group
    density = "f_{ik}(y_i)"
    if fit.background is not None:
        density = rf"\{{(1 - v) \, {density} + v \, b(y_i)\}}"
    known = r"\pi_{ik} \, " if fit.layout.fixed_labels else ""
    weighted = f"{_weight(fit)} \\, " if K > 1 else ""
    total = rf"\sum_{{k=1}}^{{{K}}} " if K > 1 else ""
    only = "" if K > 1 else r" \quad (k = 1)"
    if group is None:
        return rf"p(y \mid \theta) = \prod_i {total}{known}{weighted}{density}{only}"
    known = known.replace("ik", "jk")
    return rf"p(y \mid \theta) = \prod_j {total}{known}{weighted}\prod_{{i \in j}} {density}{only}"


def _of_component(fit: Fit) -> list[str]:
    seen = ""
    out = []
    if fit.censoring is not None:
        side = f"{upright(fit.censoring)}_i"
        seen = rf" \quad ({side} = 0)"
        out = [
            rf"f_{{ik}}(y_i) = \Pr(Y_{{ik}} > y_i) \quad ({side} = 1)",
            rf"f_{{ik}}(y_i) = \Pr(Y_{{ik}} < y_i) \quad ({side} = -1)",
        ]
    out.insert(0, f"f_{{ik}}(y_i) = {fit.notation.density}{seen}")
    if fit.background is not None:
        out.append(f"b(y_i) = {fit.background.density}")
    if fit.layout.fixed_labels:
        unit = "i" if fit.roles.group is None else "j"
        out.append(rf"\pi_{{{unit}k}} \ \mathrm{{known \ (labels)}}")
    return out


def _predictor(fit: Fit) -> list[str]:
    terms = []
    if fit.layout.fit_intercept:
        terms.append("b_{0}" if fit.layout.shared_intercept else "b_{0k}")
    for at, (j, name) in enumerate(
        zip(fit.roles.slopes, fit.names(fit.roles.slopes), strict=True), start=1
    ):
        slope = f"d_{{{at}}}" if j in fit.roles.shared else f"b_{{{_pair(at)}}}"
        terms.append(rf"{slope} \, {upright(name)}_i")
    if fit.roles.offset is not None:
        terms.append(f"{upright(fit.column_names[fit.roles.offset])}_i")
    if fit.roles.exposure is not None:
        terms.append(rf"\log {upright(fit.column_names[fit.roles.exposure])}_i")
    return broken(f"{fit.notation.link} = ", terms or ["0"])


def _weights(fit: Fit) -> list[str]:
    K, gating = fit.n_components, fit.roles.gating
    if K == 1:
        return []
    if not gating:
        return [rf"\sum_{{k=1}}^{{{K}}} w_k = 1"]
    weight, unit = _weight(fit), "i" if fit.roles.group is None else "j"
    terms = ["a_{0k}"] + [
        rf"a_{{{_pair(at)}}} \, {upright(name)}_{unit}"
        for at, name in enumerate(fit.names(gating), start=1)
    ]
    odds = f"h_{{{unit}k}}"
    return [
        rf"{weight} = \frac{{\exp {odds}}}{{\sum_{{l=1}}^{{{K}}} \exp h_{{{unit}l}}}}",
        *broken(f"{odds} = ", terms),
        r"\sum_k a_{0k} = \sum_k a_{mk} = 0",
    ]


def _pair(at: int) -> str:
    """Subscripts of a slope in component k."""
    return f"{at}k" if at < 10 else f"{at},k"


def broken(left: str, terms: list[str]) -> list[str]:
    """``left`` and a sum, with further lines where it is long."""
    lines = [" + ".join(terms[at : at + TERMS]) for at in range(0, len(terms), TERMS)]
    first, *rest = lines
    return [f"{left}{first}", *(rf"\qquad {{}} + {line}" for line in rest)]
