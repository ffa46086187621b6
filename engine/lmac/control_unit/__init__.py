"""The control unit: asks `decide` what comes next, does it, journals it. Source: L2MAC, Algorithm 1."""

from lmac.control_unit.loop import ControlUnit
from lmac.control_unit.machine import Machine, Splitter

__all__ = ["ControlUnit", "Machine", "Splitter"]
