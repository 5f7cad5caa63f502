"""Planners that search in the torch model: sampling, and gradients of the rollout."""
