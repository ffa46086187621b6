"""Measuring the machine: problems, the conditions that are compared on them, and what came of it."""
