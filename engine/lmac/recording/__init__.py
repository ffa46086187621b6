"""Effects as the journal holds them, and as it gives them back when a run is gone through again."""
