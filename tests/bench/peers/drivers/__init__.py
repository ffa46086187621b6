"""One program a peer, run by the interpreter of that peer's own environment."""
