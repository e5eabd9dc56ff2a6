"""Full names of what the plugin knows."""

from __future__ import annotations

from typing import Final

MODEL: Final = "thinc_nb.model.Model"
ENDO: Final = "thinc_nb.model.Endo"
OVER_SEQ: Final = "thinc_nb.model.OverSeq"
FROM_LIST: Final = "thinc_nb.model.FromList"
THROUGH: Final = "thinc_nb.model.Through"
AT_ITEM: Final = "thinc_nb.model.AtItem"
BY_INDEX: Final = "thinc_nb.model.ByIndex"
RAGGED: Final = "thinc_nb.types.Ragged"
PADDED: Final = "thinc_nb.types.Padded"
XY_YZ: Final = "thinc_nb.types.XY_YZ_OutT"
XY_XY: Final = "thinc_nb.types.XY_XY_OutT"
LAYERS: Final = "thinc_nb.layers."
REDUCE: Final = frozenset({"functools.reduce", "_functools.reduce"})
PARTIAL: Final = "functools.partial"
PARTIAL_CALL: Final = "functools.partial.__call__"
TORCH_MODULES: Final = frozenset({"torch.nn.modules.module.Module", "torch.nn.Module"})
DEFINE_OPERATORS: Final = "define_operators"

OPERATORS: Final = {
    "__add__": "+",
    "__sub__": "-",
    "__mul__": "*",
    "__matmul__": "@",
    "__truediv__": "/",
    "__floordiv__": "//",
    "__mod__": "%",
    "__pow__": "**",
    "__lshift__": "<<",
    "__rshift__": ">>",
    "__and__": "&",
    "__xor__": "^",
    "__or__": "|",
}
