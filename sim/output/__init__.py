"""What people and programs read of a run: tables, pictures, pages and exports. See README.md in sim."""
