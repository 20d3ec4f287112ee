"""What every page stands on: options, books, words, tables, jobs."""
