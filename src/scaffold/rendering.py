"""The only file that talks to Copier.

Copier takes longer to import than all the rest takes to run, so it is imported when it renders.
"""

import io
import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stderr
from pathlib import Path
from typing import Any

from scaffold import git, interrupts, repository
from scaffold.errors import ScaffoldError
from scaffold.origin import Origin


def render(
    template: Origin,
    destination: Path,
    answers: Mapping[str, Any],
    *,
    suggestions: Mapping[str, Any] | None = None,
    ask: bool = False,
) -> None:
    """Render a template into a folder that does not exist yet, and record what it is.

    Copier would record where it read, and any tag of the commit.

    Args:
        template: what to read, and what to record.
        destination: the folder.
        answers: by question, final; text is parsed as the question's type says.
        suggestions: by question, what to offer instead of the template's default.
        ask: put the questions without an answer to the user, on the terminal.

    Raises:
        ScaffoldError: for whatever Copier, git or the template had to object.
        OSError: when the disk did.
    """
    with warnings.catch_warnings(), _silence(not ask):
        warnings.simplefilter("ignore")
        with interrupts.deferred():
            from copier import run_copy

        try:
            with _in_half_the_time():
                run_copy(
                    f"git+{template.place}",
                    destination,
                    data=dict(answers),
                    vcs_ref=template.revision,
                    user_defaults=dict(suggestions or {}),
                    defaults=not ask,
                    quiet=True,
                )
        except Exception as error:  # Copier's own errors share no base class
            if isinstance(error, OSError) and not hasattr(error, "stderr"):
                raise  # the disk; a failed git is an OSError as well, but has a stderr
            raise ScaffoldError(_sentence(error, template)) from error
    for file in repository.answers_files(destination):
        file.write_bytes(repository.recorded(file, template.source, template.version))


@contextmanager
def _in_half_the_time() -> Iterator[None]:
    """Spare Copier 9.19 what it does anew for each file: texts to compile, and a question to git.

    The texts recur: folders, and the name of the file of answers. Git is asked for the mode of a
    file that it may know, which is nothing to ask in a folder that does not exist yet. A Copier
    that has no such function is as slow as it is.
    """
    from jinja2 import Environment, Template

    compiled: dict[tuple[int, str], Template] = {}
    compile_ = Environment.from_string
    copier: Any = sys.modules.get("copier._main")
    has_git = getattr(copier, "is_git_available", None)

    def from_string(environment: Environment, source: str) -> Template:
        environment.preprocess(source)  # Copier's own tag begins anew with each text.
        key = (id(environment), source)
        if key not in compiled:
            compiled[key] = compile_(environment, source)
        return compiled[key]

    Environment.from_string = from_string  # type: ignore[method-assign,assignment]
    if has_git:
        copier.is_git_available = lambda: False
    try:
        yield
    finally:
        Environment.from_string = compile_  # type: ignore[method-assign]
        if has_git:
            copier.is_git_available = has_git


def _silence(wanted: bool) -> AbstractContextManager[object]:
    """Keep Copier from printing what it raises as well. Its questions need the terminal."""
    return redirect_stderr(io.StringIO()) if wanted else nullcontext()


def _sentence(error: Exception, template: Origin) -> str:
    """One sentence for the many shapes in which Copier fails."""
    reason = " ".join(str(error).split()) or type(error).__name__
    if getattr(error, "stderr", ""):
        reason = git.reason(error.stderr)  # type: ignore[attr-defined]
    if found := re.search(r'"<unicode string>".*?: (.+) \^ (.+?) in "', reason):
        return (
            f"the answer {found[1]} is no YAML ({found[2]}); write a list as '[catalog, billing]'"
        )
    if reason.startswith("Validation error for question "):
        question, _, remedy = reason.removeprefix("Validation error for question ").partition(": ")
        return f"the answer to {question} will not do: {remedy.strip()}"
    if reason.startswith("Invalid choice for "):
        question, _, remedy = reason.removeprefix("Invalid choice for ").partition(": ")
        return f"the answer to {question} will not do: {remedy}"
    where = f"{template.source} at {template.version}"
    _, unsafe, feature = reason.partition("potentially unsafe feature: ")
    if unsafe:
        return (
            f"the template {where} has {feature.partition('.')[0]}, which can run anything, and "
            "scaffold runs nothing of a template; take it out of copier.yml"
        )
    return f"the template {where} cannot be rendered: {reason.replace(template.place, where)}"
