"""What each combinator demands of its layers, and what it makes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from mypy.subtypes import is_subtype
from mypy.types import Instance, TupleType, Type, UnionType, get_proper_type

from .._wording import ADDED, COPIES, SAME_INPUT, fitting_width
from . import parts
from .layers import Label, Layer, Report, any_type, bounded, is_any
from .messages import LAYER_DIM, LAYER_TYPE, adapter, family
from .widths import SAME, Dim, Items, Relative, output_width, solve, total, width_words

__all__ = ["VARIADIC", "add", "alike", "chain", "clone", "concatenate", "residual", "tuplify"]


_POLYMORPHIC: Final = ("endo", "seq", "items")


def numbered(layers: Sequence[Layer]) -> list[Label]:
    """The labels of layers in their order."""
    return [Label(i, layer.text) for i, layer in enumerate(layers, 1)]


# One layer


def output(report: Report, layer: Layer, given: Type) -> Type:
    """What a layer gives for an input of this type."""
    if layer.kind == "endo":
        return given
    if layer.kind == "items":
        return _item(given)
    if layer.kind == "at_item":
        return parts.with_item(report, layer, given)
    if layer.kind == "by_index":
        return parts.indexed(report, layer, given)
    if layer.kind != "seq" or layer.rows is None:
        return layer.gives
    t = get_proper_type(given)
    if isinstance(t, UnionType):
        return UnionType.make_union([output(report, layer, item) for item in t.items])
    match family(t):
        case "ragged" | "padded":
            return given
        case "list":
            return report.api.named_generic_type("builtins.list", [layer.rows[1]])
        case "array":
            return layer.rows[1]
    return any_type()


def _item(typ: Type) -> Type:
    """What a list holds."""
    t = get_proper_type(typ)
    return t.args[0] if family(t) == "list" and isinstance(t, Instance) and t.args else any_type()


def needed(report: Report, layer: Layer, wanted: Type) -> Type:
    """What a polymorphic layer has to get to give this type; Any if that is open."""
    if layer.kind == "endo":
        return wanted if family(wanted) not in ("union", "other") else layer.takes
    if layer.kind == "items" and family(wanted) == "array":
        return report.api.named_generic_type("typing.Sequence", [wanted])
    if layer.kind != "seq" or layer.rows is None:
        return layer.takes
    match family(wanted):
        case "ragged" | "padded":
            return wanted
        case "list":
            return report.api.named_generic_type("typing.Sequence", [layer.rows[0]])
        case "array":
            return layer.rows[0]
    return layer.takes


# One after the other


def chain(report: Report, layers: Sequence[Layer], labels: Sequence[Label] | None = None) -> Layer:
    """Each layer takes what the one before gives."""
    names = labels or numbered(layers)
    result = layers[0]
    if len(layers) == 1 and result.kind == "plain" and not is_subtype(bounded(result.gives), result.takes):
        both = f"take {report.type_name(result.takes)} and output {report.type_name(result.gives)}"
        report.fail(f'the layers of "{result.text}" {both}, so they cannot follow each other', result.node, LAYER_TYPE)
        return result._replace(takes=any_type(), gives=any_type())
    # A layer that changes nothing is not the one to name when the next does not fit.
    typed_by = sized_by = names[0]
    for layer, name in zip(layers[1:], names[1:], strict=True):
        fits, joined = _join(report, result, layer, typed_by, name)
        # One error for one mistake: where the types differ already, nothing is said of widths, nor of what follows.
        if fits:
            nI, nO = _join_widths(report, result, layer, sized_by, name)
            result = joined._replace(nI=nI, nO=nO)
        else:
            result = joined._replace(takes=any_type(), gives=any_type(), nI=None, nO=None)
        if layer.kind != "endo":
            typed_by = name
        if layer.nO != SAME:
            sized_by = name
    return result


def _join(report: Report, first: Layer, second: Layer, before: Label, name: Label) -> tuple[bool, Layer]:
    """Whether the second layer takes what the first gives, and both as one layer."""
    if first.kind not in _POLYMORPHIC:
        fits = parts.fits(report, first.gives, second, before, name) and _expect(
            report, first.gives, second.takes, second, before, name
        )
        return fits, Layer(report.context, "", "plain", first.takes, output(report, second, first.gives))
    if second.kind not in _POLYMORPHIC:
        return _before_plain(report, first, second, before, name)
    if "items" in (first.kind, second.kind):
        return True, Layer(report.context, "", "plain", first.takes, any_type())
    if first.rows is None or second.rows is None:
        rows = first.rows or second.rows
        takes = first.takes if second.rows is None else second.takes
        return True, Layer(report.context, "", "seq" if rows else "endo", takes, any_type(), rows)
    fits = _expect(report, first.rows[1], second.rows[0], second, before, name)
    return fits, Layer(report.context, "", "seq", first.takes, any_type(), (first.rows[0], second.rows[1]))


def _before_plain(report: Report, first: Layer, second: Layer, before: Label, name: Label) -> tuple[bool, Layer]:
    """The second layer decides what the polymorphic first one has to get."""
    takes = needed(report, first, second.takes)
    fits = is_any(takes) or is_subtype(takes, first.takes) or is_subtype(first.takes, takes)
    if not fits:
        report.fail(
            f"{name} expects {report.type_name(second.takes)}, but {before} works on {report.type_name(first.takes)}",
            second.node,
            LAYER_TYPE,
        )
    elif first.rows is not None and family(second.takes) == "array":
        fits = _expect(report, first.rows[1], second.takes, second, before, name)
    return fits, Layer(report.context, "", "plain", takes, second.gives)


def _expect(report: Report, given: Type, expected: Type, layer: Layer, before: Label, name: Label) -> bool:
    # A layer that gives what it gets takes any type variable.
    if is_subtype(bounded(given) if layer.kind in _POLYMORPHIC else given, expected):
        return True
    report.fail(
        f"{name} expects {report.type_name(expected)}, but {before} outputs {report.type_name(given)}",
        layer.node,
        LAYER_TYPE,
        adapter(given, expected),
    )
    return False


def _join_widths(report: Report, first: Layer, second: Layer, before: Label, name: Label) -> tuple[Dim, Dim]:
    if second.kind in ("at_item", "by_index"):
        return first.nI, parts.width(report, first, second, before, name)
    if not isinstance(second.nI, int):
        return first.nI, output_width(second.nO, first.nO)
    nI = first.nI
    if isinstance(first.nO, Relative):
        # The width of the input follows from that of the output.
        nI = solve(first.nO, second.nI)
    if (isinstance(first.nO, Relative) and nI is None) or (isinstance(first.nO, int) and first.nO != second.nI):
        report.fail(
            f"{name} expects width {second.nI}, but {before} outputs {width_words(first.nO)}",
            second.node,
            LAYER_DIM,
            _fitting(first.nO, second),
        )
        # Neither is told again. A layer that keeps its width has the wrong one for what follows, too.
        return None, None if second.nO == second.nI else second.nO
    return nI, output_width(second.nO, second.nI)


def _fitting(given: Dim, layer: Layer) -> str | None:
    return fitting_width(given) if isinstance(given, int) and "nI=" in str(layer.text) else None


# On the same input


def add(report: Report, layers: Sequence[Layer], labels: Sequence[Label] | None = None) -> Layer | None:
    """Outputs of one type and width."""
    return _parallel(report, layers, list(labels or numbered(layers)), _common_output_width)


def concatenate(report: Report, layers: Sequence[Layer], labels: Sequence[Label] | None = None) -> Layer | None:
    """Outputs of one type, whose widths are added."""
    return _parallel(report, layers, list(labels or numbered(layers)), _sum_of_widths)


def tuplify(report: Report, layers: Sequence[Layer], labels: Sequence[Label] | None = None) -> Layer | None:
    """Outputs of any type."""
    names = list(labels or numbered(layers))
    takes = _common_input(report, layers, names)
    if takes is None:
        return None
    nI = _common_input_width(report, layers, names)
    gives = [output(report, layer, takes) for layer in layers]
    if any(layer.is_starred for layer in layers):
        result: Type = report.api.named_generic_type("builtins.tuple", [any_type()])
        widths = None
    else:
        result = TupleType(gives, report.api.named_generic_type("builtins.tuple", [any_type()]))
        widths = Items(tuple(output_width(layer.nO, nI) for layer in layers))
    return Layer(report.context, "", "plain", takes, result, nI=nI, nO=widths)


def _parallel(report: Report, layers: Sequence[Layer], names: list[Label], width: WidthRule) -> Layer | None:
    takes = _common_input(report, layers, names)
    if takes is None:
        return None
    is_open = all(layer.kind in ("endo", "seq") for layer in layers)
    outputs = [
        (layer.rows[1] if layer.rows else any_type()) if is_open else output(report, layer, takes) for layer in layers
    ]
    gives = _common_output(report, layers, names, outputs)
    if gives is None:
        return None
    nI = _common_input_width(report, layers, names)
    nO = width(report, layers, names, [output_width(layer.nO, nI) for layer in layers])
    rows = next((layer.rows for layer in layers if layer.rows), None)
    if not is_open:
        return Layer(report.context, "", "plain", takes, gives, nI=nI, nO=nO)
    if rows is None:
        return Layer(report.context, "", "endo", takes, any_type(), nI=nI, nO=nO)
    return Layer(report.context, "", "seq", takes, any_type(), (rows[0], gives), nI, nO)


def _common_input(report: Report, layers: Sequence[Layer], names: list[Label]) -> Type | None:
    """What all layers take; None after an error."""
    common: Type = any_type()
    named = 0
    for i, layer in enumerate(layers):
        both = _overlap(common, layer.takes)
        if both is None:
            report.fail(
                f"{names[i]} takes {report.type_name(layer.takes)}, but {names[named]} takes "
                f"{report.type_name(common)}; {SAME_INPUT}",
                layer.node,
                LAYER_TYPE,
            )
            return None
        if is_any(common) or not is_subtype(common, both):
            common, named = both, i
    return common


def _overlap(one: Type, other: Type) -> Type | None:
    """What belongs to both types, which may be unions; None for nothing."""
    if is_any(one):
        return other
    if is_any(other):
        return one
    items: list[Type] = []
    for a in _alternatives(one):
        for b in _alternatives(other):
            if is_subtype(a, b):
                items.append(a)
            elif is_subtype(b, a):
                items.append(b)
    return UnionType.make_union(items) if items else None


def _alternatives(typ: Type) -> list[Type]:
    t = get_proper_type(typ)
    return list(t.items) if isinstance(t, UnionType) else [t]


def _common_output(report: Report, layers: Sequence[Layer], names: list[Label], outputs: list[Type]) -> Type | None:
    """What all layers give; None after an error."""
    common: Type = any_type()
    named = 0
    for i, gives in enumerate(outputs):
        if is_any(gives):
            continue
        if is_any(common):
            common, named = gives, i
        elif _overlap(gives, common) is None:
            report.fail(
                f"{names[i]} outputs {report.type_name(gives)}, but {names[named]} outputs {report.type_name(common)}",
                layers[i].node,
                LAYER_TYPE,
            )
            return None
    return common


def _common_input_width(report: Report, layers: Sequence[Layer], names: list[Label]) -> Dim:
    known = [(layer.nI, i) for i, layer in enumerate(layers) if isinstance(layer.nI, int)]
    for width, i in known[1:]:
        if width != known[0][0]:
            report.fail(
                f"{names[i]} expects width {width}, but {names[known[0][1]]} expects width {known[0][0]}; {SAME_INPUT}",
                layers[i].node,
                LAYER_DIM,
            )
            return None
    if known:
        return known[0][0]
    return SAME if all(isinstance(layer.nI, Relative) for layer in layers) else None


def _common_output_width(report: Report, layers: Sequence[Layer], names: list[Label], widths: list[Dim]) -> Dim:
    known = [(width, i) for i, width in enumerate(widths) if isinstance(width, int)]
    for width, i in known[1:]:
        if width != known[0][0]:
            report.fail(
                f"{names[i]} outputs width {width}, but {names[known[0][1]]} outputs width {known[0][0]}",
                layers[i].node,
                LAYER_DIM,
            )
            return None
    if known:
        return known[0][0]
    return widths[0] if all(width == widths[0] for width in widths) else None


def _sum_of_widths(report: Report, layers: Sequence[Layer], names: list[Label], widths: list[Dim]) -> Dim:
    return None if any(layer.is_starred for layer in layers) else total(widths)


# One layer, whose output has to fit its input


def residual(report: Report, layer: Layer) -> Layer | None:
    """The input is added to the output."""
    return _self_fitting(report, layer, ADDED)


def clone(report: Report, layer: Layer, copies: int | None) -> Layer | None:
    """Copies follow each other."""
    if copies is not None and copies <= 1:
        return layer if copies == 1 else None
    if copies is None and _may_be_single(layer):
        return layer._replace(nO=None)
    return _self_fitting(report, layer, f"so {COPIES}")


def _may_be_single(layer: Layer) -> bool:
    return isinstance(layer.nI, int) and isinstance(layer.nO, int) and layer.nI != layer.nO


def _self_fitting(report: Report, layer: Layer, why: str) -> Layer | None:
    joiner = ";" if why == ADDED else ","
    if layer.kind == "plain" and not is_subtype(layer.gives, layer.takes):
        report.fail(
            f'"{layer.text}" takes {report.type_name(layer.takes)} but outputs '
            f"{report.type_name(layer.gives)}{joiner} {why}",
            layer.node,
            LAYER_TYPE,
        )
        return None
    nI, nO = layer.nI, layer.nO
    if isinstance(nI, int) and isinstance(nO, int) and nI != nO:
        report.fail(f'"{layer.text}" takes width {nI} but outputs width {nO}{joiner} {why}', layer.node, LAYER_DIM)
        return layer._replace(nI=None, nO=None)
    if isinstance(nO, Relative) and nO != SAME:
        report.fail(f'"{layer.text}" outputs {width_words(nO)}{joiner} {why}', layer.node, LAYER_DIM)
        return layer._replace(nI=None, nO=None)
    # If one is known, both are.
    width = nO if isinstance(nO, int) else nI if isinstance(nI, int) else nO
    return layer._replace(nI=nI if isinstance(width, Relative) or width is None else width, nO=width)


def alike(report: Report, layers: Sequence[Layer], labels: Sequence[Label] | None = None) -> Layer | None:
    """Outputs of one type; what becomes of their widths is for a user's function to say."""
    return _parallel(report, layers, list(labels or numbered(layers)), lambda *_: None)


WidthRule: TypeAlias = "Callable[[Report, Sequence[Layer], list[Label], list[Dim]], Dim]"
Rule: TypeAlias = "Callable[[Report, Sequence[Layer], Sequence[Label] | None], Layer | None]"

VARIADIC: Final[dict[str, Rule]] = {
    "chain": chain,
    "add": add,
    "alike": alike,
    "concatenate": concatenate,
    "tuplify": tuplify,
}
"""The rules for any number of layers, by the name of the combinator."""
