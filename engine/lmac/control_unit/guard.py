"""The regression guard: checkpoints of the store at its evaluations, and the way back to one."""

from __future__ import annotations

from lmac.evaluation.ranking import Judged
from lmac.file_store import FileStore
from lmac.file_store.undo_log import Checkpoint


class RegressionGuard:
    """Holds the checkpoints of one instruction, with what was judged at each."""

    def __init__(self, store: FileStore) -> None:
        self._store = store
        self._kept: dict[str, tuple[Checkpoint, Judged]] = {}

    def keep(self, judged: Judged) -> None:
        """Remember the store as it stands, which is what was judged."""
        if judged.store_digest not in self._kept:
            self._kept[judged.store_digest] = self._store.checkpoint(), judged

    def restore(self, store_digest: str) -> Judged:
        """Put the store back to one of the digests that were kept.

        Raises:
            SandboxError, SandboxFailure: the store could not be put back.
        """
        checkpoint, judged = self._kept[store_digest]
        self._store.restore(checkpoint)
        return judged

    def forget(self) -> None:
        """Begin anew, with the next instruction."""
        self._kept.clear()
        self._store.forget_checkpoints()
