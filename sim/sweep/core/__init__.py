"""The compiled heart of a sweep: accounts, words, statistics and the two kernels; nothing here reads a file or a clock."""
