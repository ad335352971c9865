"""Installs the peers into a folder of their own: `install.py FOLDER`.

Each for itself, and wheels only: nobody waits for a build. What this Python cannot have is noted in `missing.json` with
pip's own words; the table names it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).with_name("requirements.txt")


def requirements() -> list[str]:
    """The lines that name a package."""
    lines = REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def reason(stderr: str) -> str:
    """The last error of pip, in a line."""
    errors = [line.removeprefix("ERROR: ") for line in stderr.splitlines() if line.startswith("ERROR: ")]
    return errors[-1] if errors else "pip failed without saying why"


def install(folder: Path) -> dict[str, str]:
    """Package -> why it is missing."""
    missing = {}
    for line in requirements():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", "--only-binary", ":all:"]
        done = subprocess.run(
            [*command, "--target", str(folder), line], check=False, capture_output=True, encoding="utf-8"
        )
        name = line.split("==", maxsplit=1)[0]
        if done.returncode:
            missing[name] = reason(done.stderr)
        print(f"{name}: {missing.get(name, 'installed')}", file=sys.stderr)
    return missing


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    (target / "missing.json").write_text(json.dumps(install(target), indent=2) + "\n", encoding="utf-8")
