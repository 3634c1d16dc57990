"""Capture files: pcapng written and read, classic pcap read."""
