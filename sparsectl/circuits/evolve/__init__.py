"""Training of policies by evolution."""
