"""What a plate looks like, from the sliced file itself."""

from __future__ import annotations

import zipfile

from inventory.models import PrintFile

#: A slicer's picture of a plate takes some 50 kB.
MOST_BYTES = 4_000_000
_PNG = b"\x89PNG\r\n\x1a\n"


def plate_picture(file: PrintFile) -> bytes:
    """Return the PNG that the slicer drew of the plate, ``Metadata/plate_N.png`` in the package, or nothing."""
    try:
        with file.file.open("rb") as stored, zipfile.ZipFile(stored) as package:
            for info in package.infolist():
                named = info.filename.startswith("Metadata/plate_") and info.filename.endswith(".png")
                if not named or not info.filename[15:-4].isdecimal() or info.file_size > MOST_BYTES:
                    continue
                with package.open(info) as member:
                    picture = member.read(MOST_BYTES)
                if picture.startswith(_PNG):
                    return picture
    except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError):
        return b""
    return b""
