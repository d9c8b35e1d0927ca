"""What the protons bring, at every order."""
