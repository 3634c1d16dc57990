"""The stacks of others, each serving the same three services to the same client as halfopen does."""
