"""The pages a trader keeps open: they draw what the book says and calculate nothing. See README.md."""
