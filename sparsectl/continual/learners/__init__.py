"""Learners of one stream interface: binary and real weights."""
