"""What a journal is on the disk: files, locks, the mark, the chain, the schema's number."""
