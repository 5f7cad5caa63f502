"""Chains of links that swim in a plane: forward, or to a target."""
