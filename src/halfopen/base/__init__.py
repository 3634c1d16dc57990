"""Small values that every floor needs; imports nothing of ours."""
