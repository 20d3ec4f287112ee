"""The gateway without I/O: bytes in, bytes out, an injected clock."""
