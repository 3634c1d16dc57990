"""What tests touch: segments in words, a connection driven in virtual time. Public, and part of the package."""
