"""The packetdrill language, interpreted in virtual time against our own stack, or in real time against the kernel."""
