"""A fit that writes itself up."""

from __future__ import annotations

from sklearn.utils.validation import check_is_fitted

from ...families import Family
from ..described import DescribedMixture
from .fit import Choice, Fit
from .latex import latex
from .notebook import notebook_block
from .report_text import report_text


class ReportedMixture(DescribedMixture):
    """A fitted mixture with a report in words, its formula, and a picture of it in notebooks."""

    family_: Family

    def report(self) -> str:
        """What was fitted, how, and what was found, for the methods and results of a paper.

        In plain words: the model and the roles of columns, on how many rows, by which solver and
        with how many draws; of `BayesianMixtureRegressorCV` how the candidate was chosen; the
        priors; a table of the components, and the differences between them; and what the
        diagnostics say.  A fit that did not converge says so first.  All numbers are those of
        `summary`, `contrast`, `diagnostics` and ``criterion_table_``, to two digits of the
        posterior sd; intervals hold 90%.

        The number of rows is the total of their weights.  Of ``solver="map"``, which is a point,
        there are no intervals.

        Returns
        -------
        str
            Lines of at most 88 characters, except in tables: ``print(model.report())``.

        Raises
        ------
        NotFittedError
            Before `fit`.
        """
        return report_text(self._written_up())

    def to_latex(self) -> str:
        r"""The formula of the fitted model in LaTeX, its priors in a second block.

        The density of the mixture, of a row in one component, the linear predictor with its link
        and the names of the columns, and the weights or their gate; then the priors, on the
        standardised scale, and the numbers of that scale.

        Returns
        -------
        str
            Two ``gather*`` environments of the package amsmath, one formula a line.

        Raises
        ------
        NotFittedError
            Before `fit`.
        """
        return latex(self._written_up())

    def _html_repr(self) -> str:
        """Scikit-learn's diagram, and below it what was found."""
        diagram: str = super()._html_repr()
        if not hasattr(self, "posterior_"):
            return diagram
        return diagram + notebook_block(self._written_up())

    def _written_up(self) -> Fit:
        check_is_fitted(self)
        names = getattr(self, "feature_names_in_", None)
        n = self.n_features_in_
        return Fit(
            posterior=self.posterior_,
            family=self.family_,
            solver=self.solver_,
            column_names=[f"x{j}" if names is None else str(names[j]) for j in range(n)],
            estimator=self,
            choice=self._choice(),
        )

    def _choice(self) -> Choice | None:
        """How the fit was chosen among others, if it was."""
        return None
