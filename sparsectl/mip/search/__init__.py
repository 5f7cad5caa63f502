"""Anytime search for plans: candidates, and engines that prove bounds."""
