"""Policies that are networks: made by reinforcement learning or imitation, kept, lowered."""
