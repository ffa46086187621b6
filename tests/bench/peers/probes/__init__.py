"""Programs that are put into everybody's sandbox, to see what holds there."""
