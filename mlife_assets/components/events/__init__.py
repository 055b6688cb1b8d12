"""Events: landed, catalogued, read."""
