from collections.abc import Callable
from typing import Any

def check_is_fitted(
    estimator: Any,
    attributes: Any = None,
    *,
    msg: str | None = None,
    all_or_any: Callable[..., bool] = ...,
) -> None: ...
def validate_data(
    _estimator: Any,
    /,
    X: Any = "no_validation",
    y: Any = "no_validation",
    reset: bool = True,
    validate_separately: Any = False,
    skip_check_array: bool = False,
    **check_params: Any,
) -> Any: ...
