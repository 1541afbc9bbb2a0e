"""`wiring.py` is where mypy compares an implementation with its interface: nothing may hide it."""

from collections.abc import Iterator

from checks.source import module_of, read_sources, Violation

_HIDING = {"typing", "typing.Any", "typing.cast", "type: ignore"}


def check_wiring() -> Iterator[Violation]:
    """Find what would keep mypy from comparing."""
    for source in read_sources():
        if source.name == f"app.modules.{module_of(source.name)}.wiring":
            for line, name in source.imports | source.reached:
                if name in _HIDING:
                    yield Violation(
                        source.path,
                        line,
                        f"{name} hides from mypy whether the implementation fits its interface. "
                        "Return it as it is, and correct what mypy says.",
                    )
