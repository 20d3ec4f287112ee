"""Skins around the gateway: sockets, an in-memory loop, a recorder."""
