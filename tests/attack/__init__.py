"""Hostile and honest programs, one table of rows; `sandbox/THREATS.md` says what each number stands for."""
