"""Draw the figures of docs/precision.md: K factors and uncertainties of the Z'_SSM rate.

python docs/figures/precision.py [FOLDER]
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

import zprime_recast as zr

ORDERS = ("nlo", "nnlo", "n3lo")


def k_factors(folder: Path) -> Path:
    """K factors over LO of u ubar and d dbar luminosities, with the band of the scale choices."""
    mass = np.linspace(200, 8000, 200)
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), sharey=True, layout="constrained")
    for order, color in zip(ORDERS, ("C0", "C1", "C2"), strict=True):
        lumi = zr.load_luminosities(order=order)
        lo, scales = lumi.at_leading_order()(mass), lumi.of_scales(mass)
        for axis, flavor, name in ((axes[0], 1, r"$u\bar u$"), (axes[1], 0, r"$d\bar d$")):
            k = scales[:, flavor] / lo[flavor]
            axis.plot(mass / 1000, k[0], color=color, label=order.upper())
            axis.fill_between(mass / 1000, k.min(axis=0), k.max(axis=0), color=color, alpha=0.25, lw=0)
            axis.set_title(f"{name}, 13 TeV, CT18NNLO", fontsize=10)
            axis.set_xlabel("dilepton mass [TeV]")
    axes[0].set_ylabel("corrected luminosity / LO")
    axes[0].legend(frameon=False)
    path = folder / "k_factors.png"
    figure.savefig(path, dpi=130)
    plt.close(figure)
    return path


def uncertainties(folder: Path) -> Path:
    """PDF and scale uncertainty of the Z'_SSM rate at NNLO, and what the nuisances of the likelihood keep."""
    lumi, model = zr.load_luminosities(), zr.load_model("ssm")
    mass = np.linspace(250, 6000, 120)
    members = zr.process.sigma_br_of_members(model, mass, model.reference_coupling, lumi)
    error = zr.partons.pdf_uncertainty(members, lumi.variations.errors)
    results = [zr.cross_section(model, m, model.reference_coupling, lumi) for m in mass]
    scale = np.array([[r.scale_up_fb, -r.scale_down_fb] for r in results]).T / members[0]
    figure, axis = plt.subplots(figsize=(6, 3.8), layout="constrained")
    axis.fill_between(mass / 1000, -error.minus / members[0], error.plus / members[0], alpha=0.35, label="PDF, 68 % CL")
    axis.fill_between(mass / 1000, *scale, alpha=0.8, label="scales, 7 points")
    axis.set_xlabel("Z' mass [TeV]")
    axis.set_ylabel("relative change of the rate")
    axis.set_title("Z'$_{SSM}$, 13 TeV, CT18NNLO, NNLO", fontsize=10)
    axis.axhline(0, color="k", lw=0.7)
    axis.legend(frameon=False, loc="upper left")
    path = folder / "uncertainties.png"
    figure.savefig(path, dpi=130)
    plt.close(figure)
    return path


def main(folder: Path) -> list[Path]:
    """Both figures into a folder."""
    return [k_factors(folder), uncertainties(folder)]


if __name__ == "__main__":
    for written in main(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent)):
        print(written)
