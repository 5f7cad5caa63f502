"""Streams of tasks: from arrays, and from MuJoCo environments whose body changes."""
