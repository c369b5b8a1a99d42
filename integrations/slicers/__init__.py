"""Making print files: slicers behind ``production.ports.Slicer``, and the reader of what they make."""
