"""The desk: contracts, the account's book, orders and what becomes of them."""
