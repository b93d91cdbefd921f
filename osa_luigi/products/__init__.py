"""Products: their names and tree, their identity, their receipts, and the commit that makes them count."""
