"""Take the picture of the explorer that README and notebook 9 show.

    python tests/screenshot.py

Runs notebook 9 in a JupyterLab of its own and writes notebooks/images/explorer.png.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import lab

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
TARGET = NOTEBOOKS / "images" / "explorer.png"


def main() -> int:
    """0 when the picture was taken."""
    reason = lab.why_no_browser()
    if reason:
        print(reason, file=sys.stderr)
        return 1
    TARGET.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        shutil.copy(NOTEBOOKS / "09_explore.ipynb", name)
        with lab.jupyterlab(Path(name)) as address, lab.chromium() as browser:
            page = browser.new_page(viewport={"width": 1280, "height": 1400})
            lab.run_all(page, address, "09_explore.ipynb", seconds=300)
            explorer = page.locator(".biomask").first
            explorer.get_by_placeholder("such as IRF7").fill("MX1")
            page.wait_for_selector("text=have MX1", timeout=60_000)
            explorer.locator(".bm-row button").filter(has_text="KRAS_SIGNALING_DN").click()
            page.wait_for_selector(".bm-details h3:has-text('KRAS')", timeout=60_000)
            page.wait_for_timeout(2000)  # the picture is decoded
            page.mouse.move(0, 0)
            explorer.screenshot(path=TARGET)
    print(f"{TARGET.relative_to(NOTEBOOKS.parent)}: {TARGET.stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
