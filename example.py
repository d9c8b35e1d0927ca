"""From the charges of a Z' boson to its exclusion and its dark matter, in the order of a paper's method section.

Run ``python example.py [FOLDER]``; the figure and the tables go to FOLDER (default: example-output). Equation numbers
are those of De Romeri et al., JHEP 10 (2017) 169, arXiv:1707.08606. Masses are in GeV, cross-sections in fb.
"""

import sys
from pathlib import Path

import numpy as np

import zprime_recast as zr
from zprime_recast.report.contour_figure import plot_contour
from zprime_recast.report.contour_files import write_contour
from zprime_recast.report.style import save_figure

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "example-output")

# Model: gauged B-L with a chiral dark sector; chi is the dark matter. Charges are exact fractions, so that the anomaly
# sums of eqs. (2.3) and (2.4) vanish exactly.
model = zr.load_model("elusive_bl").with_parameters(m_chi=1000.0)
anomalies = zr.model.anomaly_sums(model)
print(f"{model.id}: anomalies cancel: {not any(anomalies.values())}")

# Widths, eq. (3.4): Gamma_f = N_c M beta / (24 pi) [(g_L^2 + g_R^2)(1 - r) + 6 g_L g_R r] with r = m_f^2/M^2.
mass, coupling = 2500.0, 0.05
widths = zr.decay_widths(model, mass, coupling)
ratios = widths.branching_ratios_by_group
print(f"Gamma/M = {widths.total_gev / mass:.4f}, BR(ee) = {widths.branching_ratios['e']:.4f}")
print(f"BR(invisible) = {ratios['invisible']:.3f}")

# Cross-section, eq. (4.1): sigma B = sum_q C_qq Gamma_qq B / (S M) with C_qq = (4 pi^2/3) LQ_q. The luminosities LQ_q
# of CT18NNLO (arXiv:1912.10053) hold the NNLO corrections of Hamberg, van Neerven and Matsuura, Nucl. Phys. B 359
# (1991) 343.
luminosities = zr.load_luminosities("CT18NNLO", sqrt_s_gev=13000.0, order="nnlo")
rate = zr.cross_section(model, mass, coupling, luminosities)
print(f"sigma x BR(ee) = {rate.sigma_br_fb:.4f} fb, PDF +{rate.pdf_up_fb:.4f} -{rate.pdf_down_fb:.4f}")
print(f"K = {rate.k_factor:.3f}")

# Searches: the ee and mumu spectra of ATLAS, 139/fb (arXiv:1903.06248), and of CMS, 140/fb (arXiv:2103.02708), folded
# with the luminosities. PDF and scale uncertainties are nuisance parameters that the two searches share.
analyses = zr.load_analyses(["atlas-139fb-dilepton", "cms-140fb-dilepton"], "CT18NNLO", order="nnlo")

# Test of the point: CLs = CL_s+b / CL_b of the profile-likelihood ratio q~ (arXiv:1007.1727, eq. (16)), from weighted
# pseudo-experiments that all hypotheses share, so that it is right where few events are expected; the signal is
# |SM + Z'|^2 - |SM|^2, interference included. Excluded at 95 % CL where CLs < 0.05.
point = zr.cls(model, mass, coupling, analyses)
print(f"CLs = {point.cls_observed:.4f}, expected {point.cls_expected[2]:.4f}: excluded {bool(point.excluded)}")

# Limit: the coupling where CLs(M, g, Gamma(g)) falls through 0.05; the width follows the coupling, Gamma = g^2 u.
limit = zr.limit(model, mass, analyses)
print(f"g_95 = {limit.coupling_95_observed:.4f}, expected {limit.coupling_95_expected[2]:.4f}")

# Contour: the same at many masses, with the expected +-1 and +-2 sigma bands; the tables and the figure.
contour = zr.contour(model, np.linspace(1500.0, 4500.0, 7), analyses)
write_contour(contour, folder)
save_figure(plot_contour(contour, analyses.label), folder, "contour")

# Dark matter: the Boltzmann equation with the exact thermal average (Gondolo, Gelmini, Nucl. Phys. B 360 (1991) 145) of
# chi chibar -> Z' -> f fbar and -> Z'Z'. Weaker couplings annihilate less and leave more: where Omega h^2 > 0.12 on the
# contour, the couplings that the LHC allows leave too much dark matter.
relic = zr.relic_density(model, contour.mass_gev, contour.coupling_95_observed)
for m, g, omega in zip(contour.mass_gev, contour.coupling_95_observed, relic.omega_h2, strict=True):
    print(f"{m:5.0f} GeV: g < {g:.4f}, there Omega h^2 = {omega:.3g}")
