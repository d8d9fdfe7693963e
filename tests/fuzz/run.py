"""The long run: so many minutes of hypothesis, then so many of atheris, if it is installed.

    python tests/fuzz/run.py MINUTES [CORPUS]

Both may take 4 GB and 20 s for an input. Ends with 1 when something was found. CORPUS is a folder
to keep what atheris finds worth trying again.
"""

from __future__ import annotations

import importlib.util
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fuzz_targets import TARGETS

HERE = Path(__file__).parent
LIMIT_MB = 4096
HANGING = 1800  # seconds of a round: twenty times what it takes
EXAMPLES = 1000  # of every target, in one round of hypothesis


def quietly() -> None:
    os.nice(19)


def limited() -> None:
    quietly()
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT_MB << 20,) * 2)


def run_hypothesis(minutes: float) -> bool:
    """Rounds with other seeds until the time is over; True when nothing was found."""
    end, rounds, sound = time.monotonic() + 60 * minutes, 0, True
    environment = {**os.environ, "FUZZ_EXAMPLES": str(EXAMPLES)}
    while sound and time.monotonic() < end:
        seed = f"--hypothesis-seed={random.randrange(2**32)}"
        command = [sys.executable, "-m", "pytest", "-q", "-x", seed, str(HERE / "test_fuzz.py")]
        try:
            done = subprocess.run(
                command, env=environment, preexec_fn=limited, check=False, timeout=HANGING
            )
            sound = not done.returncode
        except subprocess.TimeoutExpired:
            print("hypothesis: an input takes for ever", flush=True)
            sound = False
        rounds += 1
    print(f"hypothesis: {rounds * EXAMPLES:,} examples of each reader", flush=True)
    return sound


def run_atheris(minutes: float, corpus: Path) -> bool:
    """Every target for its share of the time; True when nothing was found."""
    sound = True
    for name in TARGETS:
        seconds = max(1, round(60 * minutes / len(TARGETS)))
        command = [sys.executable, str(HERE / "harness.py"), name, str(corpus / name)]
        command += [f"-max_total_time={seconds}", "-timeout=20", f"-rss_limit_mb={LIMIT_MB}"]
        command += ["-print_final_stats=1", f"-artifact_prefix={name}-"]
        done = subprocess.run(command, check=False, capture_output=True, preexec_fn=quietly)
        out = (done.stdout + done.stderr).decode(errors="replace")
        ran = "".join(re.findall(r"number_of_executed_units: (\d+)", out)) or "no"
        print(f"atheris {name}: {ran} executions in {seconds} s", flush=True)
        if done.returncode:
            print(out[-6000:], flush=True)
            sound = False
    return sound


def main() -> int:
    minutes = float(sys.argv[1])
    sound = run_hypothesis(minutes)
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed (pip install atheris): only hypothesis was run")
        return not sound
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(folder)
        return not (run_atheris(minutes, corpus) and sound)


if __name__ == "__main__":
    sys.exit(main())
