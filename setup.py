"""Finds the packages: a new folder with an `__init__.py` is installed without a line anywhere."""

from setuptools import find_packages, setup

setup(
    packages=[
        *find_packages(include=["sparsectl", "sparsectl.*"]),
        *(f"sparsectl.{name}" for name in find_packages(include=["envs", "envs.*"])),
        "sparsectl.configs",
    ]
)
