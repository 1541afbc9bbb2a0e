"""`python -m checks.contracts BASE` refuses what others cannot cope with: `rules` says what that is.

Compared is what main has published: the code at which this branch left BASE, read from git. A name in
`[contract] retired` of a `module.toml` may go, once main says so, and the newest release tag does.

`python -m checks.contracts --show [MODULE]` prints the contracts, as OpenAPI.
"""

import ast
import json
import re
import sys
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

from checks import history
from checks.contracts.blame import culprits
from checks.contracts.rendering import CODE, Documents, render, UnreadableCodeError
from checks.contracts.rules import compare, RETIRED, TOO_SOON, unknown_retired
from checks.contracts.schemas import SOURCE
from checks.source import ROOT, toml_of, Violation

_MATTERS = re.compile(r"src/app/(?!development/)(?!.*/(tests|migrations)/).*\.(py|toml)")
_REMEDY = """\
Leave it as it is, and put a new one beside it, under a new name. Let all use that, and then, in this order:
1. retire it, `[contract] retired = ["…"]` in its module.toml, and release; a method can be switched off
   for callers elsewhere: REMOTE_OFF=module.method;
2. wait until nobody needs it: boundary_calls_total counts no call, `app jobs` shows none that waits;
3. delete it, and take the name out of `retired`."""


def check_contracts(base: str) -> Iterator[Violation]:
    """Find what breaks, and names that are retired and not there."""
    fork = history.fork_of(base)
    if fork is None or not any(
        _MATTERS.fullmatch(each.path) for each in history.changes_since(fork) or ()
    ):
        return
    with ThreadPoolExecutor() as both:
        there = both.submit(_published, fork)
        new, old = _documents(), there.result()
    for module, name in unknown_retired(new):
        text = f"retires {name}, which {module} does not have. Take it out of `retired`."
        yield Violation(toml_of(module), 1, text)
    breaks = compare(old, new)
    known = {fork: old}
    if history.is_committed(*CODE):
        known |= dict.fromkeys(history.commits_since(fork, *CODE)[:1], new)
    who = culprits(base, fork, breaks, known) if breaks else {}
    for each in breaks:
        path, _, name = each.place.partition(":")
        text = f"{each.text} It was broken by {who[each[:2]]}."
        yield Violation(path, _line(path, name), text)


def _published(fork: str) -> Documents:
    """Return what main has published; what is retired too soon to be deleted is told apart."""
    try:
        documents = render(fork)
    except UnreadableCodeError as error:
        raise SystemExit(
            f"The contracts of {history.subject_of(fork)} are not known: its code cannot be imported with "
            f"the libraries that are installed here ({error}), nor with those of its own uv.lock. Mend "
            "main, or compare with an older commit: make contracts base=…"
        ) from None
    tag = history.newest_tag(fork, "v[0-9]*")
    for module, each in documents.items():
        said = tag and each.get(RETIRED) and history.read_at(tag, toml_of(module))
        if said:
            released = tomllib.loads(said).get("contract", {}).get("retired", [])
            each[TOO_SOON] = {name: tag for name in each[RETIRED] if name not in released}
    return documents


def _documents() -> Documents:
    try:
        return render()
    except UnreadableCodeError as error:
        raise SystemExit(f"The contracts cannot be read: {error}") from None


def _line(path: str, name: str) -> int:
    """Return where a name such as `Billing.get_account.order_id` is in a file; of one that is gone,
    where what it was in stands."""
    names = _lines(path)
    while name and name not in names:
        name = name.rpartition(".")[0]
    return names.get(name, 1)


@cache
def _lines(path: str) -> dict[str, int]:
    found: dict[str, int] = {}

    def read(node: ast.AST, above: str) -> None:
        below: Sequence[ast.AST] = ()
        match node:
            case ast.ClassDef(name=name):
                below = node.body
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                below = [*node.args.args, *node.args.kwonlyargs]
            case ast.AnnAssign(target=ast.Name(id=name)) | ast.arg(arg=name):
                pass
            case _:
                return
        found[above + name] = node.lineno
        for each in below:
            read(each, f"{above}{name}.")

    if (ROOT / path).suffix == ".py" and (ROOT / path).exists():
        for each in ast.parse((ROOT / path).read_bytes()).body:
            read(each, "")
    return found


def show(module: str | None) -> None:
    """Print the contracts of all modules, or of one."""
    if module is not None and not (ROOT / toml_of(module)).exists():
        raise SystemExit(f"There is no module {module}: see app modules.")
    found = {name: each for name, each in _documents().items() if "paths" in each}
    shown: Any = _without_sources(found if module is None else found[module])
    print(json.dumps(shown, indent=2, ensure_ascii=False))


def _without_sources(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _without_sources(each) for key, each in node.items() if key != SOURCE}
    return [_without_sources(each) for each in node] if isinstance(node, list) else node


def main(arguments: list[str]) -> None:
    """Print every violation; exit with 1 if there is one."""
    if arguments[:1] == ["--show"]:
        show(next(iter(arguments[1:]), None))
        return
    violations = sorted(set(check_contracts(" ".join(arguments))))
    for violation in violations:
        print(violation)
    if any("was broken" in each.text for each in violations):
        print(_REMEDY)
    sys.exit(bool(violations))


if __name__ == "__main__":
    main(sys.argv[1:])
