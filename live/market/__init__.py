"""What the runner sees and wants; see README.md in the folder above."""
