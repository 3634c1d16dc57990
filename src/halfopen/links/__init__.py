"""Where packets leave this process: the only package that opens a device."""
