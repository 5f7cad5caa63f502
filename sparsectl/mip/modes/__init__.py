"""Activation patterns (modes) that planning can meet: counted, listed, sampled."""
