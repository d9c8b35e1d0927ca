"""Make ``MSTW2008nlo_central`` (LHAPDF6 format) from the native MSTW grid that the pythia8mc wheel carries.

    pip install "pythia8mc<8.318"
    python data/pdfs/build_mstw2008nlo.py OUTPUT_FOLDER

The native file lists, for 63 x knots (the 64th, x = 1, is zero) and 48 Q^2 knots, nine columns
xg xd xu xs xc xb xdv xuv xsv with five digits, where xd, xu, xs are quarks and xqv = xq - xqbar.
Paper: A.D. Martin, W.J. Stirling, R.S. Thorne, G. Watt, Eur. Phys. J. C 63 (2009) 189, arXiv:0901.0002.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import numpy as np

# Knots of the native grid, from section 7 of the MSTW fortran documentation (they are not in the file).
# fmt: off
X_KNOTS = [
    *(m * 10.0**e for e in (-6, -5, -4) for m in (1, 2, 4, 6, 8)),
    *(m * 1e-3 for m in (1, 2, 4, 6, 8)),
    0.01, 0.014, 0.02, 0.03, 0.04, 0.06, 0.08, *(np.arange(100, 1000, 25) / 1000), 1.0,
]
M_CHARM, M_BOTTOM = 1.40, 4.75
Q2_KNOTS = [
    1.0, 1.25, 1.5, M_CHARM**2, M_CHARM**2, 2.5, 3.2, 4.0, 5.0, 6.4, 8.0, 10.0, 12.0, M_BOTTOM**2, M_BOTTOM**2,
    26.0, 40.0, 64.0, 1e2, 1.6e2, 2.4e2, 4e2, 6.4e2, 1e3, 1.8e3, 3.2e3, 5.6e3,
    *(m * 10.0**e for e in range(4, 9) for m in (1.0, 1.8, 3.2, 5.6)), 1e9,
]
# fmt: on
FLAVORS = [-5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 21]

# alpha_s at the Q knots of the MSTW2008 NLO LHAPDF6 set (and at m_Z), alpha_s(m_Z) = 0.120179.
ALPHA_S = [
    4.912800e-01,
    4.468941e-01,
    4.166457e-01,
    3.795390e-01,
    3.795390e-01,
    3.539652e-01,
    3.315294e-01,
    3.137068e-01,
    2.978109e-01,
    2.821037e-01,
    2.693411e-01,
    2.577418e-01,
    2.490182e-01,
    2.230741e-01,
    2.230741e-01,
    2.184839e-01,
    2.056695e-01,
    1.933540e-01,
    1.829930e-01,
    1.732524e-01,
    1.656694e-01,
    1.570366e-01,
    1.498724e-01,
    1.436647e-01,
    1.362511e-01,
    1.297161e-01,
    1.239475e-01,
    1.201789e-01,
    1.184991e-01,
    1.134536e-01,
    1.089222e-01,
    1.048556e-01,
    1.009563e-01,
    9.729386e-02,
    9.396168e-02,
    9.093621e-02,
    8.800367e-02,
    8.522075e-02,
    8.266457e-02,
    8.032345e-02,
    7.803570e-02,
    7.584765e-02,
    7.382313e-02,
    7.195645e-02,
    7.012071e-02,
    6.835415e-02,
    6.671013e-02,
    6.518616e-02,
    6.367979e-02,
]

INFO = """\
SetDesc: "MSTW 2008 NLO, central member (the same for the 68% and 90% C.L. sets); made from the native grid mstw2008nlo.00.dat by build_mstw2008nlo.py; no error members"
SetIndex: 21100
Authors: A.D. Martin, W.J. Stirling, R.S. Thorne and G. Watt
Reference: arXiv:0901.0002
Format: lhagrid1
DataVersion: 2
NumMembers: 1
Particle: 2212
Flavors: [-5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 21]
OrderQCD: 1
FlavorScheme: variable
NumFlavors: 5
ErrorType: none
XMin: 1e-06
XMax: 1
QMin: 1
QMax: 31622.8
MZ: 91.1876
MUp: 0
MDown: 0
MStrange: 0
MCharm: 1.4
MBottom: 4.75
MTop: 1e+10
AlphaS_MZ: 0.120179
AlphaS_OrderQCD: 1
AlphaS_Type: ipol
AlphaS_Qs: [{qs}]
AlphaS_Vals: [{vals}]
"""


def native_grid() -> Path:
    """The MSTW 2008 NLO grid of the installed pythia8mc wheel."""
    name = "share/Pythia8/pdfdata/mstw2008nlo.00.dat"
    try:
        from importlib.metadata import files

        installed = files("pythia8mc") or []
    except ImportError as err:
        raise SystemExit(f"pythia8mc is not installed ({err}); pip install 'pythia8mc<8.318'") from None
    for entry in installed:
        if str(entry).endswith(name):
            return Path(str(entry.locate())).resolve()
    path = Path(sys.prefix) / name
    if path.is_file():
        return path
    raise SystemExit(f"no {name} beside pythia8mc; pip install 'pythia8mc<8.318'")


def read_native(path: Path) -> np.ndarray:
    """Densities x f as (64 x knots, 48 Q^2 knots, 11 flavours in the order of FLAVORS)."""
    rows = np.loadtxt(path, skiprows=11)
    n_x, n_q = len(X_KNOTS), len(Q2_KNOTS)
    if rows.shape != ((n_x - 1) * n_q, 9):
        raise SystemExit(f"{path}: found {rows.shape[0]} rows of {rows.shape[1]}, expected {(n_x - 1) * n_q} of 9")
    g, d, u, s, c, b, dv, uv, sv = np.moveaxis(rows.reshape(n_x - 1, n_q, 9), -1, 0)
    densities = np.stack([b, c, s - sv, u - uv, d - dv, d, u, s, c, b, g], axis=-1)
    return np.concatenate([densities, np.zeros((1, n_q, len(FLAVORS)))])


def write_set(folder: Path, source: Path) -> Path:
    """Write the set into ``folder``; returns the folder of the set."""
    densities = read_native(source)
    out = folder / "MSTW2008nlo_central"
    out.mkdir(parents=True, exist_ok=True)
    q = np.sqrt(Q2_KNOTS)
    edges = [0, 4, 14, len(q)]  # a subgrid ends and the next begins at each quark threshold
    blocks = ["PdfType: central\nFormat: lhagrid1\n---"]
    for low, high in itertools.pairwise(edges):
        head = [" ".join(f"{v:.6e}" for v in knots) for knots in (X_KNOTS, q[low:high])]
        values = densities[:, low:high].reshape(-1, len(FLAVORS))
        lines = [" ".join(f"{v:.8e}" for v in row) for row in values]
        blocks.append("\n".join([*head, " ".join(map(str, FLAVORS)), *lines]) + "\n---")
    (out / "MSTW2008nlo_central_0000.dat").write_text("\n".join(blocks) + "\n")
    q_alpha = np.sort(np.append(q, 91.1876))
    info = INFO.format(qs=", ".join(f"{v:.6e}" for v in q_alpha), vals=", ".join(f"{v:.6e}" for v in ALPHA_S))
    (out / "MSTW2008nlo_central.info").write_text(info)
    return out


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    print(write_set(Path(sys.argv[1]), native_grid()))
