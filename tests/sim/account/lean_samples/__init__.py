"""Strategies of LEAN's sample algorithms, each as a file a user would write."""
