"""Template tags of the floor pages."""
