"""The weaknesses of TCP and what stops each: attacks that run in the simulated network and nowhere else, measured."""
