"""The console's frame; part of the composition root: it may read every app and owns nothing."""
