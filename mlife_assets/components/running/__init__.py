"""Running the graph without a daemon: the driver, the instance, the demo."""
