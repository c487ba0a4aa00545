"""A fit in words, for the methods and results of a paper."""

from __future__ import annotations

import textwrap

from . import methods_text, results_text
from .fit import Fit

WIDTH = 88


def report_text(fit: Fit) -> str:
    """The report as lines of at most 88 characters, but for rows of tables.

    Parameters
    ----------
    fit : Fit
    """
    parts: list[list[str]] = [_filled([sentence]) for sentence in results_text.trust_sentences(fit)]
    parts.append(["Model", *_filled(methods_text.model_sentences(fit))])
    if fit.choice is not None:
        words = _filled(results_text.choice_sentences(fit.choice))
        parts.append(["Choice", *words, "", *results_text.choice_table(fit.choice)])
    parts.append(["Estimation", *_filled(methods_text.estimation_sentences(fit))])
    parts.append(["Priors", *_filled(methods_text.prior_sentences(fit))])
    said = _filled([results_text.component_sentence(fit)])
    parts.append(["Components", *said, "", *results_text.component_table(fit)])
    differences = results_text.difference_lines(fit)
    if differences:
        parts.append(["Differences between components", *differences])
    parts.append(["Diagnostics", *_filled(results_text.diagnostic_sentences(fit))])
    return "\n\n".join("\n".join(part) for part in parts)


def _filled(sentences: list[str]) -> list[str]:
    # Names of columns may have hyphens.
    return textwrap.wrap(" ".join(sentences), WIDTH, break_on_hyphens=False, break_long_words=False)
