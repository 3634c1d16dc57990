"""Octets to values and back; no state. Each format is a trio of parse, emit and length."""
