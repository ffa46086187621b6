"""The table: every hostile and every honest row. To add one, add it to the module of its theme."""

from __future__ import annotations

from attack import benign, candidates, dependencies, files, forgeries, kernel, processes, resources, texts

ATTACKS = (
    *resources.ROWS,
    *processes.ROWS,
    *files.ROWS,
    *kernel.ROWS,
    *forgeries.ROWS,
    *texts.ROWS,
    *candidates.ROWS,
    *dependencies.ROWS,
)
BENIGN = benign.ROWS
