"""Policies for bodies with joints: motor circuits, multi-layer perceptrons, random actions."""
