"""Sliced packages for the tests, as small as the reader takes them."""

import hashlib
import io
import zipfile


def sliced(*, seconds=600, layers=20, grams=(12.5,), simulated=True, plate=1):
    """Return the bytes of a ``.gcode.3mf`` with one plate."""
    mark = b"; simulated slice\n" if simulated else b""
    gcode = b"; HEADER_BLOCK_START\n" + mark + f"; total layer number: {layers}\n; HEADER_BLOCK_END\nM73 L1\n".encode()
    filaments = "".join(
        f'<filament id="{n}" type="PLA" color="#FF0000" used_m="1.0" used_g="{g}"/>' for n, g in enumerate(grams, 1)
    )
    info = (
        '<?xml version="1.0" encoding="UTF-8"?><config><plate>'
        f'<metadata key="index" value="{plate}"/><metadata key="prediction" value="{seconds}"/>'
        f'<metadata key="weight" value="{sum(grams)}"/>{filaments}</plate></config>'
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as package:
        package.writestr("[Content_Types].xml", '<?xml version="1.0"?><Types/>')
        package.writestr("Metadata/slice_info.config", info)
        package.writestr(f"Metadata/plate_{plate}.gcode", gcode)
        digest = hashlib.md5(gcode, usedforsecurity=False).hexdigest().upper()
        package.writestr(f"Metadata/plate_{plate}.gcode.md5", digest)
    return buffer.getvalue()
