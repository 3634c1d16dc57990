"""The scenarios, one module for each story or family of stories."""
