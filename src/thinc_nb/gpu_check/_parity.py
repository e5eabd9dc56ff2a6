"""Compares one device's results with another's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..backends import Ops
from ._cases import Case, all_cases

SHAPES = ((0, 5), (1, 1), (3, 40), (257, 96), (1000, 33))
TOLERANCE = {"float32": 5e-5, "float64": 1e-10}
"""Errors allowed, as a part of the largest result, or of 1 where that is less."""


@dataclass
class Verdict:
    """The result of one case on all shapes: the largest error in each precision, and what is wrong."""

    label: str
    errors: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def verdicts(
    device: Ops,
    reference: Ops,
    *,
    shapes: Iterable[tuple[int, int]] = SHAPES,
    wanted: Callable[[str], object] = bool,
    progress: Callable[[str], None] = lambda text: None,
) -> list[Verdict]:
    """Run every case whose label is wanted on both, in both precisions. An exception is a problem like others."""
    found: dict[str, Verdict] = {}
    for rows, width in shapes:
        for case in all_cases(rows, width):
            if not wanted(case.label):
                continue
            progress(f"{case.label} {rows}x{width}")
            verdict = found.setdefault(case.label, Verdict(case.label))
            for dtype in TOLERANCE:
                for error, problem in compared(case, dtype, device, reference):
                    verdict.errors[dtype] = max(error, verdict.errors.get(dtype, 0.0))
                    if problem:
                        verdict.problems.append(f"{case.label} {rows}x{width} {dtype}: {problem}")
    return list(found.values())


def compared(case: Case, dtype: str, device: Ops, reference: Ops) -> Iterator[tuple[float, str]]:
    """For each result the error, and what is wrong with it, if anything is."""
    try:
        found = case.run(device, dtype)
    except Exception as error:  # noqa: BLE001  (whatever it is, the table has to say it)
        yield np.inf, f"{type(error).__name__}: {error}"
        return
    with np.errstate(all="ignore"):
        truth = case.run(reference, dtype) if case.exact else case.run(reference, "float64", rounded_to=dtype)
    if len(found) != len(truth):
        yield np.inf, f"{len(found)} results instead of {len(truth)}"
    for result, expected in zip(found, truth, strict=False):
        yield difference(result, expected, 0.0 if case.exact else TOLERANCE[dtype])


def difference(result: Any, expected: Any, tolerance: float) -> tuple[float, str]:
    """The largest error, as a part of the largest number that is expected, and what is wrong."""
    if result.shape != expected.shape:
        return np.inf, f"shape {result.shape} instead of {expected.shape}"
    if result.dtype.kind != expected.dtype.kind:
        return np.inf, f"dtype {result.dtype} instead of {expected.dtype}"
    if tolerance == 0 or expected.dtype.kind != "f":
        same = np.array_equal(result, expected, equal_nan=expected.dtype.kind == "f")
        return (0.0, "") if same else (np.inf, "not the same bits")
    finite = np.isfinite(expected)
    if not np.array_equal(np.isfinite(result), finite) or not np.array_equal(
        result[~finite], expected[~finite].astype(result.dtype), equal_nan=True
    ):
        return np.inf, "NaN or inf in other places"
    if not finite.any():
        return 0.0, ""
    largest = max(1.0, float(np.abs(expected[finite]).max()))
    error = float(np.abs(result[finite] - expected[finite]).max()) / largest
    return error, "" if error <= tolerance else f"error {error:.1e}, more than {tolerance:.0e}"
