"""Command-line flags of a verb, read into its config dataclass, and refused in one sentence if wrong."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise, takewhile
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_type_hints

from sayso.spec import SaysoError, UnknownNameError

C = TypeVar("C")
_EXPLAINED = (
    (re.compile(r"invalid literal for int\(\) with base 10: (.*)"), r"\1 is not a whole number"),
    (re.compile(r"could not convert string to float: (.*)"), r"\1 is not a number"),
    (re.compile(r"Could not parse arguments \[(.*)\] into tuple type .*float.*"), r"\1 are not all numbers"),
    (re.compile(r"Could not find valid parse for arguments: \[(.*)\]"), r"\1 cannot be read"),
    (re.compile(r"Expected 1 values"), "Expected one value"),
)
"""What Python and tyro say of a value, and what a person would."""


class UsageError(SaysoError):
    """Command line that cannot be understood, and which flag is wrong."""


@dataclass(frozen=True)
class Part:
    """Fields of another config as flags under a name, ``--model.width 64``; what they mean if not typed."""

    name: str
    usual: Any
    """That config, a frozen dataclass."""
    decided: Collection[str] = ()
    """Fields that are no flags."""

    @cached_property
    def config(self) -> type[Any]:
        """Return the dataclass of the flags; a config that may be left out is a yes or a no."""
        import tyro

        fields, hints = [], get_type_hints(type(self.usual))
        for field in dataclasses.fields(self.usual):
            kind, value = hints[field.name], getattr(self.usual, field.name)
            if _may_be_left_out(kind):
                kind, value = bool, value is not None
            if field.name in self.decided:
                kind = Annotated[kind, tyro.conf.Fixed]
            fields.append((field.name, kind, dataclasses.field(default=value)))
        name, base = type(self.usual).__name__, (type(self.usual),)  # the base has what the help says
        return dataclasses.make_dataclass(name, fields, bases=base, frozen=True, kw_only=True)

    def changes(self, typed: Any) -> dict[str, Any]:
        """Return what was typed otherwise than it usually is, as plain JSON."""
        hints, usual, found = get_type_hints(type(self.usual)), self.config(), {}
        for field in dataclasses.fields(usual):
            if (value := getattr(typed, field.name)) != getattr(usual, field.name):
                kind = _may_be_left_out(hints[field.name])
                found[field.name] = value if not kind else dataclasses.asdict(kind()) if value else None
        return found


def _may_be_left_out(kind: Any) -> Any:
    """Return the config of a field that holds one or None; nothing for other fields."""
    parts = get_args(kind) if isinstance(kind, UnionType) else ()
    return next((part for part in parts if dataclasses.is_dataclass(part)), None)


def typed(given: Sequence[str], flag: str) -> str:
    """Return what was typed for a flag, before all of them are read; empty if it was not."""
    words = [word for part in given for word in (part.split("=", 1) if part.startswith(flag) else [part])]
    return next((after for word, after in pairwise(words) if word == flag), "")


def gathered(given: Sequence[str], flag: str) -> list[str]:
    """Return what was given, with all values of a flag that was typed more than once behind the first."""
    found: list[str] = []
    values: list[str] = []
    first, taking = -1, False
    for word in given:
        name, equals, value = word.partition("=")
        if name == flag:
            taking, first = not equals, len(found) if first < 0 else first
            values += [value] * bool(equals)
        elif taking and not word.startswith("--"):
            values.append(word)
        else:
            taking = False
            found.append(word)
    return found if first < 0 else [*found[:first], flag, *values, *found[first:]]


def alone(given: Sequence[str], flag: str, meaning: str) -> list[str]:
    """Return what was given, with `meaning` behind a flag that stands alone, without a file or an address."""
    found = list(given)
    for place in reversed([place for place, word in enumerate(found) if word == flag]):
        after = found[place + 1] if place + 1 < len(found) else "-"
        if not ("://" in after or (Path(after).suffix and not Path(after).is_dir())):
            found.insert(place + 1, meaning)
    return found


def read(
    config: type[C],
    verb: str,
    summary: str,
    given: Sequence[str],
    words: Mapping[str, str] | None = None,
    part: Part | None = None,
    besides: type[Any] | None = None,
) -> Any:
    """Return what was given: the config, or a tuple of the words before it, the config and what is behind.

    Args:
        config: a dataclass whose fields are the flags.
        verb: what it belongs to, such as ``eval``.
        summary: the verb's line in the overview.
        given: the command line behind the verb.
        words: name of each word that comes without a flag, such as ``CHECKPOINT``, and what it is; of
            one that may come more than once, ``DATASET...``.
        part: another config that has flags, too; of it, what was changed is returned.
        besides: a dataclass of flags that several verbs have.

    Raises:
        UsageError: if a flag or a word is unknown, missing or unreadable.
        SaysoError: if the config refuses a value.
        SystemExit: with code 0, when help was asked for and shown.
    """
    import tyro

    wanted: Any = config
    parts = [_word(name, help) for name, help in (words or {}).items()]
    parts += [Annotated[config, tyro.conf.arg(name="")]]
    parts += [Annotated[part.config, tyro.conf.arg(name=part.name)]] if part else []
    parts += [Annotated[besides, tyro.conf.arg(name="")]] if besides else []
    if len(parts) > 1:
        wanted = tuple[*parts]  # type: ignore[valid-type]
    prog, said, flags = f"sayso {verb}", io.StringIO(), _flags(config, part, besides)
    try:
        with contextlib.redirect_stderr(said), _in_plain_words():
            hidden = (tyro.conf.SuppressFixed,)
            found = tyro.cli(wanted, args=list(given), prog=prog, description=summary, config=hidden)
            if part:
                found = tuple(part.changes(one) if isinstance(one, part.config) else one for one in found)
            return found
    except ValueError as error:
        raise UsageError(_with_flag(str(error), flags)) from error
    except SystemExit as ended:
        if not ended.code:
            raise
        if hint := _unquoted(prog, given, words or {}):
            raise UsageError(hint) from None
        refused = _sentence(said.getvalue(), ended, flags, prog, given)
        raise UsageError(f"{refused.rstrip('.')}. `{prog} --help` explains the flags") from None


def _in_plain_words() -> Any:
    """Return what lets tyro, inside a `with`, write INT and {deg,rad}, not {None}|INT and {,deg,rad}.

    A flag that may be left out is read as any other; leaving it out is how to give no value.
    """
    from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

    plain = ConstructorRegistry()

    @plain.primitive_rule
    def left_out(type_info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
        origin: Any = type_info.type_origin
        kinds: tuple[Any, ...] = get_args(type_info.type)
        if origin in (Union, UnionType) and NoneType in kinds:
            nothing, shown = None, ["none"]
            rest: Any = Union[tuple(kind for kind in kinds if kind is not NoneType)]  # noqa: UP007
        elif origin is Literal and "" in kinds:
            nothing, shown = "", [""]
            rest = Literal[tuple(kind for kind in kinds if kind)]
        else:
            return None
        spec = plain.get_primitive_spec(PrimitiveTypeInfo.make(rest, type_info.markers))
        if not isinstance(spec, PrimitiveConstructorSpec):
            return None
        return replace(
            spec,
            is_instance=lambda value: value == nothing or spec.is_instance(value),
            str_from_instance=lambda value: shown if value == nothing else spec.str_from_instance(value),
        )

    return plain


def _word(name: str, help: str) -> Any:
    import tyro

    bare = name.removesuffix("...")
    about = tyro.conf.arg(name=bare.lower(), metavar=name, help=help)
    return Annotated[str if bare == name else tuple[str, ...], tyro.conf.Positional, about]


def _sentence(box: str, ended: SystemExit, flags: Sequence[str], prog: str, given: Sequence[str]) -> str:
    """Say what tyro drew a box around."""
    for part in given:
        name = part.partition("=")[0].replace("_", "-")
        if re.match(r"--[a-z]", name) and name not in flags:
            near = [flag for flag in flags if "." in name and flag.startswith(name.partition(".")[0] + ".")]
            return str(UnknownNameError(f"flag of {prog.removeprefix('sayso ')}", name, near or flags))
    titled, text = _title_and_text(box)
    if "Required options" in titled:
        missing = re.split("Unrecognized options|For full helptext", box)[0]
        needed = re.findall(r"^(?:│ {5}| {6})(\S+)", missing, re.MULTILINE)
        return f"{prog.removeprefix('sayso ')} needs {' and '.join(needed)}"
    if refused := re.match(r"Error parsing (?!-|[A-Z]+:)\S+: (.*)", text):
        return _with_flag(_reason(ended) or refused[1], flags)
    if choice := re.match(r"invalid choice '(.*)' for argument '(.*)'\. Expected one of \((.*)\)", text):
        return str(UnknownNameError(choice[2], choice[1], re.findall(r"'([^']*)'", choice[3])))
    text = text.removeprefix("Error parsing ")
    for pattern, instead in _EXPLAINED:
        text = pattern.sub(instead, text)
    return (
        f"{prog.removeprefix('sayso ')} understands no {text.partition(': ')[2]!r}"
        if "Unrecognized" in titled
        else text
    )


def _unquoted(prog: str, given: Sequence[str], words: Mapping[str, str]) -> str:
    """Say how to type a sentence, the last of several words, that was typed without quotes; else nothing."""
    typed = list(takewhile(lambda part: not part.startswith("-"), given))
    if len(words) < 2 or len(typed) <= len(words):
        return ""
    first, sentence = typed[: len(words) - 1], " ".join(typed[len(words) - 1 :])
    right = shlex.join([*prog.split(), *first, sentence, *given[len(typed) :]])
    return f"the {[*words][-1].lower()} needs quotes: {right}"


def _title_and_text(box: str) -> tuple[str, str]:
    """Return what stands in the first two parts of a box, whatever its lines are drawn with."""
    parts = re.split(r"^[│ ]*[─-]{10,}[│ ]*$|╮$", box, flags=re.MULTILINE)
    title, text, *_ = (" ".join(re.sub("[│╭╰╯─]", " ", part).split()) for part in [*parts, ""])
    return title, text


def _reason(error: BaseException | None) -> str:
    """Return the words of the config that refused a value, which tyro has wrapped."""
    while error is not None:
        if isinstance(error, ValueError):
            return str(error)
        error = error.__cause__ or error.__context__
    return ""


def _with_flag(text: str, flags: Sequence[str]) -> str:
    """Write ``--max-mb is -1`` where a config said ``max_mb is -1``."""
    name, space, rest = text.partition(" ")
    written = name.replace("_", "-")
    meant = [flag for flag in flags if flag == f"--{written}" or flag.endswith(f".{written}")]
    return (meant[0] if meant else name) + space + rest


def _flags(config: type[Any], part: Part | None, besides: type[Any] | None) -> list[str]:
    """Return every flag there is, such as ``--noise.deg`` and ``--model.width``."""
    found = ["--help", *_flags_of(config, "--"), *(_flags_of(besides, "--") if besides else ())]
    return found + (_flags_of(part.config, f"--{part.name}.") if part else [])


def _flags_of(config: type[Any], prefix: str) -> list[str]:
    import tyro

    found, hints = [], get_type_hints(config, include_extras=True)
    for field in dataclasses.fields(config):
        kind = hints[field.name]
        given = [getattr(part, "name", None) for part in getattr(kind, "__metadata__", ())]
        name = next(filter(None, given), field.name).replace("_", "-")
        if dataclasses.is_dataclass(kind):
            found += _flags_of(kind, f"{prefix}{name}.")  # type: ignore[arg-type]
        elif tyro.conf.Fixed not in getattr(kind, "__metadata__", ()):
            found += [prefix + name] + [f"{prefix}no-{name}"] * (kind is bool)
    return found
