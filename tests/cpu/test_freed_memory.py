"""Images after the first take no new memory from the system."""

import platform
import subprocess
import sys

import pytest

PAGES = """
import resource, torch, swinkit
model = swinkit.SwinClassifier(swinkit.SwinConfig(depths=(2, 2), num_heads=(3, 6)), num_classes=3).eval()
images = torch.randn(1, 3, 224, 224)
with torch.no_grad():
    for _ in range(5):
        model(images)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        model(images)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_no_pages_for_each_image() -> None:
    done = subprocess.run((sys.executable, "-c", PAGES), capture_output=True, text=True, check=True)
    assert int(done.stdout) < 3000, "an eighth of what glibc asks for when it keeps nothing"
