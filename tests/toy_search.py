"""Folders of invented searches in a few bins, whose numbers follow by hand; and likelihoods of a few bins."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from zprime_recast.likelihood.binned import BinnedLikelihood, LogChanges
from zprime_recast.searches.spectrum import load_spectrum


def write_search(
    folder: Path,
    edges,
    bkg,
    bkg_uncertainty,
    *,
    n_obs=None,
    response="m_ll_gev,sigma\n100,0.01\n9000,0.01\n",
    efficiency="m_ll_gev,efficiency\n100,0.5\n9000,0.5\n",
    int_lumi_fb=100.0,
    correlation_length=0.3,
    sources=(),
    uncertainties="",
    background=None,
    channel="",
):
    """A search with one electron channel ``ee``, limits on the total cross-section and a tabulated background: its
    folder is written as a user would write it, and read.

    ``sources``: (name, events per bin); ``response`` and ``efficiency``: CSV; ``uncertainties``, ``background`` (in place
    of the correlation length) and ``channel`` (tables of the channel): TOML.
    """
    folder.mkdir(parents=True, exist_ok=True)
    columns = {"m_low_gev": edges[:-1], "m_high_gev": edges[1:], "n_obs": bkg if n_obs is None else n_obs, "bkg": bkg}
    columns |= {"bkg_uncertainty": bkg_uncertainty, **dict(sources)}
    rows = zip(*(np.asarray(c, dtype=float).tolist() for c in columns.values()), strict=True)
    table = "\n".join([",".join(columns), *(",".join(map(repr, row)) for row in rows)])
    (folder / "spectrum.csv").write_text(table + "\n")
    (folder / "response.csv").write_text(response)
    (folder / "efficiency.csv").write_text(efficiency)
    names = ", ".join(f'"{name}"' for name, _ in sources)
    (folder / "card.toml").write_text(f"""
schema = 1
id = "toy"
kind = "binned-likelihood"
title = "An invented search"
label = "invented"
reference = "none: made up for a test"
mass_range_gev = [200.0, 6000.0]
limits_on = "total"
[collider]
sqrt_s_gev = 13000.0
int_lumi_fb = {int_lumi_fb}
[[channel]]
name = "ee"
lepton = "e"
spectrum = "spectrum.csv"
efficiency = "efficiency.csv"
response_form = "table"
response = "response.csv"
[channel.background]
form = "table"
{f"correlation_length_log_mass = {correlation_length}" if background is None else ""}
sources = [{names}]
{background or ""}
{channel}
{uncertainties}
""")
    return load_spectrum(folder)


def common(name: str, relative, m_gev=None, kind="rate") -> str:
    """TOML of a source of the background common to all masses."""
    return _table("channel.background.common", True, name=name, kind=kind, relative=relative, m_gev=m_gev)


def local(share: float, length: float = 0.3) -> str:
    """TOML of the local part of the background."""
    return _table("channel.background.local", False, share=share, correlation_length_log_mass=length)


def _table(title: str, array: bool, **keys) -> str:
    head = f"[[{title}]]" if array else f"[{title}]"
    lines = [f"{key} = {list(v) if isinstance(v, (list, tuple, np.ndarray)) else repr(v)}" for key, v in keys.items()
             if v is not None]  # fmt: skip
    return "\n".join([head, *lines, 'status = "assumed"', 'source = "invented"', ""])


def uncertainty(name: str, kind: str, relative, relative_down=None, m_gev=None) -> str:
    """TOML of an uncertainty of the signal."""
    lines = ["[[uncertainty]]", f'name = "{name}"', f'kind = "{kind}"', f"relative = {list(relative)}"]
    if relative_down is not None:
        lines.append(f"relative_down = {list(relative_down)}")
    if m_gev is not None:
        lines.append(f"m_gev = {list(m_gev)}")
    return "\n".join([*lines, 'status = "assumed"', 'source = "invented"', ""])


def changes(prefix: str, change, acts=None) -> LogChanges:
    """Nuisances prefix_0, prefix_1 ... that change ln(events) by rows of ``change``, (n_names, n_bins)."""
    change = np.asarray(change, dtype=float)
    acts = np.ones(change.shape, dtype=bool) if acts is None else acts
    return LogChanges(tuple(f"{prefix}_{k}" for k in range(len(change))), change, acts)


def counting(n_obs, background, signal, background_change, signal_change=()) -> BinnedLikelihood:
    """A likelihood of a few bins: signal (n_hypotheses, n_bins), changes of ln(events) per nuisance and bin."""
    n_obs, background, signal = (np.asarray(x, dtype=float) for x in (n_obs, background, signal))
    n_bins = len(background)
    return BinnedLikelihood(
        bin_names=tuple(f"bin_{j}" for j in range(n_bins)),
        n_obs=n_obs,
        background=background,
        signal=signal,
        signal_changes=changes("signal", np.reshape(signal_change, (-1, n_bins))),
        background_changes=changes("background", np.reshape(background_change, (-1, n_bins))),
    )


def with_bins(likelihood: BinnedLikelihood, order) -> BinnedLikelihood:
    """The same likelihood with its bins in another order."""
    s, b = likelihood.signal_changes, likelihood.background_changes
    return replace(
        likelihood,
        bin_names=tuple(likelihood.bin_names[j] for j in order),
        n_obs=likelihood.n_obs[order],
        background=likelihood.background[order],
        signal=likelihood.signal[:, order],
        signal_changes=LogChanges(s.names, s.change[..., order], s.acts[:, order]),
        background_changes=LogChanges(b.names, b.change[..., order], b.acts[:, order]),
    )
