"""LMAC, an LLM automatic computer."""

__version__ = "0.1.0"
