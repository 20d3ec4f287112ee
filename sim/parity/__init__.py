"""Our book beside vectorbt's: the profile with its rules, the differential oracle, and portfolios made of our fills."""
