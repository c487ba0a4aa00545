"""Real data with gates, groups, shared slopes and offsets, and what flexmix found."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pandas as pd
from conftest import REFERENCE

from skmixreg.families import Binomial, Gaussian

NAMES = (
    "patent_conc",
    "betablocker",
    "betablocker_fix",
    "npreg_yn_id2",
    "nregfix_fixed_conc",
    "seizure",
)


class RoleReference(NamedTuple):
    """Rows, the parameters of an estimator of the same model, and the greatest likelihood known."""

    X: pd.DataFrame
    y: pd.Series
    parameters: dict[str, Any]
    log_likelihood: float
    size: int


def load(name: str) -> RoleReference:
    """A case of tests/reference/roles as its JSON file describes it.

    ``size`` is the number of free parameters.
    """
    record = json.loads((REFERENCE / "roles" / f"{name}.json").read_text())
    frame = pd.read_csv(REFERENCE / "roles" / f"{name}.csv")
    slopes, gating = record["design"][1:], record["concomitant"]
    single = {
        "group_feature": record["group"],
        "offset_feature": record["offset"],
    }
    family: Any = record["family"]
    if record["trials"]:
        family = Binomial(trials=record["trials"])
    if record["equal_sigma"]:
        family = Gaussian(shared_sigma=True)
    named = [*gating, *single.values(), record["trials"]]
    columns = [*slopes, *(name for name in named if name and name not in slopes)]
    K = record["K_target"]
    parameters = {
        "n_components": K,
        "family": family,
        **{key: value for key, value in single.items() if value},
    }
    if gating:
        parameters["gating_features"] = gating
        parameters["component_features"] = record["varying"][1:]
    if record["shared_across_components"]:
        parameters["shared_features"] = record["shared_across_components"]
    fit = record["fits"][str(K)]
    return RoleReference(
        frame[columns], frame[record["response"]], parameters, fit["loglik"], fit["df"]
    )
