"""Make the set CT18NNLO_central of this folder: the central member of CT18NNLO under a name of its own.

    python data/pdfs/build_ct18nnlo_central.py FOLDER_OF_CT18NNLO [OUTPUT_FOLDER]

The grid is copied byte by byte; of the .info only the description, the number of members and the error type change.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

CHANGED = {
    "SetDesc": "'Central member of CT18NNLO (LHAPDF id 14000), arXiv:1912.10053'",
    "Reference": "arXiv:1912.10053",
    "NumMembers": "1",
    "ErrorType": "none",
}


def build(source: Path, output: Path) -> Path:
    """Write the set below ``output``; returns its folder."""
    folder = output / "CT18NNLO_central"
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for line in (source / "CT18NNLO.info").read_text(encoding="utf-8").splitlines():
        key = line.partition(":")[0]
        if key not in ("ErrorConfLevel",):
            lines.append(f"{key}: {CHANGED[key]}" if key in CHANGED else line.rstrip())
    (folder / "CT18NNLO_central.info").write_text("\n".join(lines) + "\n", encoding="utf-8")
    shutil.copyfile(source / "CT18NNLO_0000.dat", folder / "CT18NNLO_central_0000.dat")
    return folder


if __name__ == "__main__":
    print(build(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else Path(__file__).parent)))
