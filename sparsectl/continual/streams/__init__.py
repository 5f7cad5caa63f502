"""Streams of tasks: from arrays, and from MuJoCo environments whose body changes."""

from sparsectl.continual.streams.build import StreamConfig, build
from sparsectl.continual.streams.config import IdxStream, PermutedDigits, SplitDigits
from sparsectl.continual.streams.dynamics import DynamicsStream
