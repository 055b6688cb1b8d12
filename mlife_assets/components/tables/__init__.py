"""Own tables: taking in what the assets of a project deliver for a model."""
