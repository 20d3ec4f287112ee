"""A simulated IB Gateway that speaks the TWS wire protocol on loopback. See README.md in this folder."""
