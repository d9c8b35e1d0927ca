"""The dark side of the model: relic density, direct and indirect detection, N_eff, scalars and neutrinos.

Reference for all equation numbers: De Romeri, Fernandez-Martinez, Gehrlein, Machado, Niro, JHEP 10 (2017) 169,
arXiv:1707.08606 ("the paper"). Nothing here knows the LHC: the two sides meet in ``zprime_recast.report.summary``.
"""
