"""Compiling a kernel's functions into one loop, in half the time that numba takes.

numba optimises each function by itself and makes machine code of it, with entries for Python and for C, and then does
all of that again in every function that calls it. Of a kernel only the loop is called from outside. The functions below
it, its *parts*, get no entries, and stay LLVM's code until the loop is compiled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from numba import njit, types
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.extending import intrinsic

FASTMATH: Final = {"contract", "nsz"}


class _RawLibrary(JITCodeLibrary):
    """Without numba's optimisation of each function before that of the whole: 6% of the time, for no measured gain."""

    def _optimize_functions(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout


class _PartLibrary(JITCodeLibrary):
    """Holds LLVM's code only. Machine code is made by the library that it is linked into."""

    @property
    def codegen(self) -> Any:
        return _NoEnvironments(self._codegen)

    def finalize(self) -> None:
        self._raise_if_finalized()
        for library in dict.fromkeys(self._linking_libraries):
            self._final_module.link_in(library._get_module_for_linking(), preserve=True)
        self._finalized = True


class _RawPartLibrary(_RawLibrary, _PartLibrary):
    pass


class _NoEnvironments:
    """The code generator of a part, which writes no address of an environment into machine code as numba's would.

    A part has no machine code. The loop that it becomes a piece of has, and gets the addresses in `_set_environments`.
    """

    def __init__(self, codegen: Any) -> None:
        self._codegen = codegen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._codegen, name)

    def set_env(self, env_name: str, env: Any) -> None:
        """Do nothing: see the class."""


def _compiler(kind: type[JITCodeLibrary], *, is_loop: bool = False) -> type[Compiler]:
    class LinkingCompiler(Compiler):
        def define_pipelines(self) -> list[Any]:
            # numba would make a library of its own class if there were none.
            library = kind(self.state.targetctx.codegen(), self.state.func_id.func_qualname)
            library.enable_object_caching()
            self.state.library = library
            return super().define_pipelines()

        def compile_extra(self, func: Any) -> Any:
            result = super().compile_extra(func)
            if is_loop:
                _set_environments(result)
            return result

    return LinkingCompiler


def _set_environments(result: Any) -> None:
    """Have the parts of a loop find their environments: `print` hangs where there is none."""
    library = result.library
    # numba forgets environments that nobody refers to.
    library.environments = result._find_referenced_environments()
    for environment in library.environments:
        library.codegen.set_env(environment.env_name, environment)


_LOOP, _BODY, _PART = _compiler(_RawLibrary, is_loop=True), _compiler(_PartLibrary), _compiler(_RawPartLibrary)
WITHOUT_ENTRIES: Final[dict[str, Any]] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def compile_loop_of(function: Callable[..., Any], **options: Any) -> Any:
    """The dispatcher of a loop, the only function of a kernel that is called from outside."""
    return njit(pipeline_class=_LOOP, no_cfunc_wrapper=True, nogil=True, **options)(function)


def compile_body(function: Callable[..., Any], **options: Any) -> Any:
    """The part that is a kernel's body, inlined into the loop.

    It is optimised by itself first, which is numba's default: some loops take 8 to 25% longer if they are only
    optimised together with the function around them.
    """
    return njit(pipeline_class=_BODY, forceinline=True, **WITHOUT_ENTRIES, **options)(function)


def compile_part(function: Callable[..., Any], **options: Any) -> Any:
    """A part written in vector code of our own, inlined into a body."""
    return njit(pipeline_class=_PART, fastmath=FASTMATH, error_model="numpy", _nrt=False, **WITHOUT_ENTRIES, **options)(
        function
    )


def once(function: Callable[..., None]) -> Any:
    """A part that a kernel contains once, however often it calls it. The function begins with `never_inline()`.

    Tiles are long: inlined they were compiled again for each call and each layout of the arrays. A call takes no time
    beside the work that it does.
    """
    # Said explicitly, since a part inherits the options that it does not set from its caller.
    return compile_part(function, forceinline=False)


def compile_word(function: Callable[..., Any]) -> Any:
    """A function that numba inlines into its caller before it knows types."""
    return njit(fastmath=FASTMATH, error_model="numpy", inline="always")(function)


@intrinsic
def never_inline(typing_context: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def any_layout(typing_context: Any, array: Any) -> Any:
    """The same array, its layout in memory left open: a function is then compiled for one type of arrays, not many."""
    return array.copy(layout="A")(array), lambda context, builder, signature, args: args[0]
