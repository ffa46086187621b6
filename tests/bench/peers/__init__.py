"""The verdict of `bench.verdict` beside what others offer for the same job: `make bench-peers`."""
