"""Verification of closed loops: the worst a controller does over a box of starts and H steps."""
