"""Pictures and tables of what happened, for terminals and pages."""
