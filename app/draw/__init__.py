"""Pictures: every function takes arrays that are known elsewhere and returns a chart's description."""
