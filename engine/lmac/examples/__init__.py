"""Three programs that use LMAC as a library; each takes a config, and its `main` is run by the tests."""
