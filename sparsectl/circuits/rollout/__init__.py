"""Policies in environments: returns, trials, clips."""
