"""How fast halfopen is, beside its peers in the same run; traffic only in namespaces that the run made itself."""
