"""A network in virtual time: hosts, cables, and an event loop that jumps from one event to the next."""
