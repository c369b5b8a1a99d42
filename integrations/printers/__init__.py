"""The printers of the farm: commands written as rows, one process that carries them out and listens to what happens."""
