"""Parton densities and luminosities of the colliding protons, at every order of QCD."""
