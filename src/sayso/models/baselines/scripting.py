"""TorchScript of a reader's own module: which argument is sentences, where ``forward`` does not say so.

``jit.script`` takes every argument without a type for a tensor. The textbook's model has none::

    def forward(self, images, instructions):
        vision_features = self.vision_encoder(images)
        language_features = self.language_encoder(instructions)     <- a list of sentences

What is handed to a language encoder is a list of sentences. So a module that takes in such an encoder as
one of its parts is given the hook that ``jit.script`` asks first, ``__prepare_scriptable__``, and answers
with a twin of itself: the same parts, the same ``forward``, its sentences typed. The module itself is left
as it was.
"""

from __future__ import annotations
import __future__

import ast
import inspect
import linecache
import textwrap
import weakref
from typing import Any

from torch import nn
from torch.nn.modules.module import register_module_module_registration_hook

from sayso.spec import SaysoError

HOOK = "__prepare_scriptable__"


def when_taken_in(encoder: nn.Module) -> None:
    """Give the hook to the class of the first module that takes in an encoder, unless it has one."""
    waiting = weakref.ref(encoder)

    def notice(parent: nn.Module, _: str, part: nn.Module | None) -> None:
        if waiting() is None or part is waiting():
            handle.remove()
        if part is not None and part is waiting() and not hasattr(type(parent), HOOK):
            setattr(type(parent), HOOK, typed)

    handle = register_module_module_registration_hook(notice)


def typed(module: nn.Module) -> nn.Module:
    """Return a twin of a module whose ``forward`` says which of its arguments are sentences.

    Raises:
        SaysoError: if the source of its class is nowhere to be read, as at the prompt of Python before 3.13.
    """
    twin = twin_of(module)
    encoders = {name for name, part in module.named_children() if getattr(part, "reads_sentences", False)}
    if forward := typed_forward(type(module), encoders):
        twin.__class__ = type(type(module).__name__, (type(module),), {"forward": forward})
    return twin


def twin_of(module: nn.Module) -> nn.Module:
    """Return a module with the same parts in a table of its own, in which jit.script may replace them."""
    twin = module.__new__(type(module))
    twin.__dict__.update(module.__dict__, _modules=dict(module._modules))
    return twin


def typed_forward(kind: type, encoders: set[str]) -> Any:
    """Return ``kind.forward`` with what it hands to its encoders typed, or None if nothing is to be typed."""
    name = f"{kind.__module__}.{kind.__qualname__}"
    written: Any = kind.forward  # type: ignore[attr-defined]
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(written)))
    except OSError as error:
        raise SaysoError(
            f"TorchScript reads the source of {name}, which was typed where none is kept; "
            "write it into a file or a notebook"
        ) from error
    handed = {
        call.args[0].id
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)
        if call.func.attr in encoders and call.args and isinstance(call.args[0], ast.Name)
    }
    arguments = [
        argument
        for argument in ast.walk(tree)
        if isinstance(argument, ast.arg) and argument.arg in handed and argument.annotation is None
    ]
    for argument in arguments:
        argument.annotation = ast.parse("list[str]", mode="eval").body
    return _compiled(ast.unparse(tree), written, f"<{name}.forward, typed>") if arguments else None


def _compiled(source: str, like: Any, file: str) -> Any:
    """Return a function of a source that can be read again, in the place of another."""
    lines = source.splitlines(keepends=True)
    linecache.cache[file] = (len(source), None, lines, file)
    made: dict[str, Any] = {}
    exec(compile(source, file, "exec", flags=__future__.annotations.compiler_flag), like.__globals__, made)
    function = made[like.__name__]
    function.__module__, function.__qualname__ = like.__module__, like.__qualname__
    return function
