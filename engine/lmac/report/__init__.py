"""What a run leaves: its result, its files, and words for the terminal."""
