"""CLs of a pyhf workspace to ten digits: what the batched fit is judged by.

The expectations, interpolations and constraints are pyhf's (``Model.expected_data``). The minimiser is not: SLSQP, which
pyhf uses, stops at 1e-6 to 1e-4 above the minimum, too far for CLs to 1e-6. Here -ln L is taken as a difference to fixed
expectations, term by term, and minimised by scipy's least squares, in signed roots of the deviance.
"""

from __future__ import annotations

import numpy as np
import pyhf
from scipy.optimize import least_squares
from scipy.special import log_ndtr, ndtr

#: Of central differences.
STEP = 1e-4


class Judge:
    def __init__(self, workspace, null=None):
        measurement = workspace["measurements"][0]["config"]
        spec = {"channels": workspace["channels"], "parameters": measurement["parameters"]}
        self.model = pyhf.Model(spec, poi_name="mu", validate=False)
        counts = {o["name"]: o["data"] for o in workspace["observations"]}
        self.n = np.array([x for c in self.model.config.channels for x in counts[c]])
        self.poi = self.model.config.poi_index
        self.free = [i for i in range(self.model.config.npars) if i != self.poi]
        self.mu_max = measurement["parameters"][0]["bounds"][0][1]
        self.null = self.fit(self.n, 0.0, np.zeros(len(self.free)), np.zeros(len(self.free))) if null is None else null

    def expected(self, mu, alpha):
        parameters = np.zeros(self.model.config.npars)
        parameters[self.poi], parameters[self.free] = mu, alpha
        return np.asarray(self.model.main_model.expected_data(pyhf.tensorlib.astensor(parameters)))

    def fit(self, n, mu, centers, start):
        """Nuisances at the minimum of the deviance / 2 + constraints at a fixed mu, or with mu last if it is None."""

        def residuals(x):
            alpha = x if mu is not None else x[:-1]
            nu = np.maximum(self.expected(x[-1] if mu is None else mu, alpha), 1e-9)
            d = (nu - n) / np.where(n > 0, n, 1.0)
            with np.errstate(all="ignore"):
                deviance = 2 * (nu - n - np.where(n > 0, n * np.log1p(d), 0.0))
            # near n = nu the difference cancels: a series in (nu - n)/n
            close = (n > 0) & (np.abs(d) < 1e-4)
            e = np.where(close, d, 0.0)
            deviance = np.where(close, n * e**2 * (1 - e * (2 / 3) + e**2 / 2 - e**3 * (2 / 5)), deviance)
            return np.concatenate([np.sign(nu - n) * np.sqrt(np.maximum(deviance, 0.0)), alpha - centers])

        x = least_squares(residuals, start, method="lm", xtol=1e-10, ftol=1e-12, gtol=1e-10).x
        # one step with central differences: one-sided ones are wrong by 1e-6
        steps = STEP * np.eye(len(x))
        slopes = np.stack([(residuals(x + h) - residuals(x - h)) / (2 * STEP) for h in steps], axis=1)
        return x - np.linalg.lstsq(slopes, residuals(x), rcond=None)[0]

    def twice(self, n, mu, alpha, centers, reference):
        nu = self.expected(mu, alpha)
        if (nu[n > 0] <= 0).any():
            return np.nan
        terms = nu - reference - n * np.log1p(np.where(n > 0, (nu - reference) / reference, 0.0))
        return 2 * terms.sum() + ((alpha - centers) ** 2).sum()

    def statistics(self):
        """q~ on the data and on the Asimov data, at mu = 1."""
        zero, null = np.zeros(len(self.free)), self.null
        b = self.expected(0.0, null)
        asimov = self.fit(b, 1.0, null, null)
        q_asimov = self.twice(b, 1.0, asimov, null, b)
        fixed = self.fit(self.n, 1.0, zero, asimov)
        top = self.twice(self.n, 1.0, fixed, zero, b)
        best = self.twice(self.n, 0.0, null, zero, b)
        free = self.fit(self.n, None, zero, np.append(0.5 * (null + fixed), 0.5))
        if free[-1] > 1:
            return 0.0, q_asimov
        if free[-1] > 0:
            best = min(best, self.twice(self.n, free[-1], free[:-1], zero, b))
        return max(top - best, 0.0), max(q_asimov, 0.0)

    def cls(self):
        """CLs observed and the expected five."""
        q, q_asimov = self.statistics()
        root, width = np.sqrt(q), np.sqrt(q_asimov)
        shifted = root - width if root <= width else (q - q_asimov) / (2 * width)
        observed = float(np.exp(log_ndtr(-shifted - width) - log_ndtr(-shifted)))
        n = np.arange(-2, 3)
        return observed, ndtr(n - width) / ndtr(n)
