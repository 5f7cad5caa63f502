"""Training of policies by reinforcement learning, with Stable-Baselines3."""
