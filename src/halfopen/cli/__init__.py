"""The command line: ``halfopen demo``, ``serve``, ``nc``, ``ping``, ``ss``, ``show``."""
