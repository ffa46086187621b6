"""Which model answers: profiles, weights by digest, the embedded server."""
