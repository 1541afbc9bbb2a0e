"""What a method takes and gives, as another process reads it. Derived from its Protocol alone."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, get_type_hints, NotRequired

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError
from typing_extensions import TypedDict

from app.platform.remote.values import ValueRefusedError, Values
from app.platform.wiring import Promise

_VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class CodecError(Exception):
    """A method of an interface that cannot be called from another process, in one sentence."""


class UnreadableError(Exception):
    """What another process has written does not fit what is read here."""


class Codec:
    """Writes and reads arguments and results of one method.

    Arguments have their names, and those that are left out are not sent: the callee's defaults count.
    One that the callee does not know is refused, as it would do something else than was asked; a field
    of the result that the caller does not know is left out.
    """

    def __init__(self, module: str, promise: Promise) -> None:
        """Raises CodecError."""
        self._name = f"{module}.{promise.name}"
        if not promise.is_async:
            what = "is a stream" if promise.streams else "is no `async def`"
            raise CodecError(
                f"{self._name} {what}, so that it cannot be asked of another process: declare "
                "`async def`, and return a Sequence"
            )
        parameters = list(inspect.signature(promise.function).parameters.values())[1:]
        hints = get_type_hints(promise.function, include_extras=True)
        self._by_position = [each.name for each in parameters if each.kind is each.POSITIONAL_ONLY]
        self.signature = inspect.Signature(parameters)
        fields = {}
        for each in parameters:
            if each.kind in _VARIABLE:
                raise CodecError(
                    f"{self._name} takes `{each}`, any number of arguments, which cannot be sent to "
                    "another process: pass a Sequence or a Mapping"
                )
            hint = hints.get(each.name, Any)
            hint = self._check(f"takes `{each.replace(default=each.empty)}`", hint).hint
            fields[each.name] = hint if each.default is each.empty else NotRequired[hint]
        self._result = self._check(
            f"returns `{inspect.formatannotation(hints.get('return', Any))}`",
            hints.get("return", Any),
        )
        self._arguments = Values(TypedDict("Arguments", fields))  # type: ignore[operator]

    def _check(self, said: str, hint: Any) -> Values:
        try:
            return Values(hint)
        except ValueRefusedError as error:
            raise CodecError(
                f"{self._name} {said}, which cannot cross to another process: {error}"
            ) from None

    def write_arguments(self, arguments: Sequence[Any], named: Mapping[str, Any]) -> bytes:
        """Return arguments as JSON. Raises TypeError where the method does not take them so."""
        bound = self.signature.bind(*arguments, **named).arguments
        try:
            return self._arguments.write(bound)
        except PydanticSerializationError as error:
            raise TypeError(
                f"{self._name}: an argument has another type than declared: {error}"
            ) from None

    def read_arguments(self, written: bytes) -> tuple[list[Any], dict[str, Any]]:
        """Return arguments, by position and by name. Raises UnreadableError."""
        try:
            named = self._arguments.read(written, "forbid")
        except ValidationError as error:
            raise UnreadableError(_where(error)) from None
        return [named.pop(name) for name in self._by_position if name in named], named

    def write_result(self, result: object) -> bytes:
        """Return a result as JSON."""
        return self._result.write(result)

    def read_result(self, written: bytes) -> Any:
        """Return a result. Raises UnreadableError."""
        try:
            return self._result.read(written, "ignore")
        except ValidationError as error:
            raise UnreadableError(_where(error)) from None


def _where(error: ValidationError) -> str:
    """Say what does not fit, without the values, which may be secret."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(
        f"{'.'.join(map(str, each['loc'])) or 'all'}: {each['msg']}" for each in found[:5]
    )
