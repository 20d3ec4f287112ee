"""Other engines, each in its own environment, on the first job."""
