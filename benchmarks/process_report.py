"""What a child process of `benchmarks.process` measures of itself."""

import json
import pathlib
import re
import time

LINE_START = "report: "


class Report:
    """Moments on the system's clock, and the peaks of resident memory until then."""

    def __init__(self):
        self.moments = {}
        self.peak_bytes = {}

    def reached(self, phase: str) -> None:
        """The phase of this name has ended."""
        self.moments[phase] = time.monotonic()
        self.peak_bytes[phase] = peak_resident_bytes()

    def write(self) -> None:
        values = {"moments": self.moments, "peak_bytes": self.peak_bytes}
        print(f"{LINE_START}{json.dumps(values)}", flush=True)


def peak_resident_bytes() -> int:
    """Of this process. Linux only.

    Not `resource.getrusage`: that counts what the parent had when it started this one.
    """
    status = pathlib.Path("/proc/self/status").read_text()
    return 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])
