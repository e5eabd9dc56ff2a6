"""spaCy's transformer packages import with thinc_nb in the place of Thinc. Running them needs weights."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

pytestmark = pytest.mark.spacy


@pytest.mark.parametrize("package", ["spacy_transformers", "spacy_curated_transformers"])
def test_package_imports(package: str) -> None:
    if find_spec(package) is None:
        pytest.skip(f"{package} has no release for this spaCy")
    program = f"import thinc_nb; thinc_nb.install_as_thinc(); import {package}, thinc.api; print(thinc.api.__name__)"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.stdout.splitlines()[-1:] == ["thinc_nb.api"], done.stderr
