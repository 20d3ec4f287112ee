"""What the broker says, and what follows from it; see README.md in the folder above."""
