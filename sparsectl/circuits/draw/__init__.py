"""Circuits as graphs and pictures."""
