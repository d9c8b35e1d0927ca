"""What a Z' is and how it decays."""
