"""Learners with one bit a weight that meet one task after another, and the theory of them."""
