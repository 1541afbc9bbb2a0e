"""Fixtures that are called after a module follow: a name that many files share."""

from collections.abc import Sequence
from pathlib import PurePosixPath

import libcst as cst

from scaffold.renaming.facts import Facts
from scaffold.renaming.python import PythonFile, last_name, parameters
from scaffold.renaming.references import mentions_kind, rename_all


class Fixtures:
    """The fixtures of a module's name in all files that may know it.

    Args:
        files: that have the module's name in them.
        facts: of the module.
        kinds: its classes, by every dotted name.
    """

    def __init__(self, files: Sequence[PythonFile], facts: Facts, kinds: dict[str, str]) -> None:
        self._files, self._kinds = files, kinds
        self._old, self._new = facts.old, facts.new

    def follow(self) -> dict[cst.FunctionDef, bool]:
        """Let them follow; return the tests and fixtures that get one, with whether it did."""
        found = [
            (file, function)
            for file in self._files
            for function in file.functions
            if function.name.value == self._old and file.is_top(function) and _is_fixture(function)
        ]
        governed: dict[cst.FunctionDef, bool] = {}
        if not found:
            return governed
        users = [
            (file, function, folder)
            for file in self._files
            for function in file.functions
            for folder in [PurePosixPath(file.path).parent]
            if is_given(function)
            if self._old in (param.name.value for param in parameters(function))
        ]
        reached = [
            (file, function)
            for file, function, folder in users
            if any(_reaches(fixture, file, folder) for fixture, _ in found)
        ]
        everybody = [*found, *reached]
        means_it = any(
            mentions_kind(file, self._kinds, function.returns)
            or any(mentions_kind(file, self._kinds, x) for x in _returned(file, function))
            for file, function in found
        ) or any(
            mentions_kind(file, self._kinds, param.annotation)
            for file, function in reached
            for param in parameters(function)
            if param.name.value == self._old
        )
        is_free = not any(
            self._new in file.names_in(function) or _is_parametrized(file, function, self._old)
            for file, function in everybody
        )
        follows = means_it and is_free
        for _file, function in reached:
            governed[function] = follows
        if follows:
            for file, function in found:
                file.replace(function.name, self._new)
                rename_all(file, file.references(function), self._old, self._new)
            for file in {file for file, _ in everybody}:
                self._asked_for(file)
        return governed

    def _asked_for(self, file: PythonFile) -> None:
        """Names of fixtures in quotes."""
        for node in file.parents:
            if isinstance(node, cst.Call) and last_name(node) in {"getfixturevalue", "usefixtures"}:
                for value in (arg.value for arg in node.args):
                    if isinstance(value, cst.SimpleString) and value.raw_value == self._old:
                        file.replace(value, f"{value.quote}{self._new}{value.quote}")


def _is_fixture(function: cst.FunctionDef) -> bool:
    return any(last_name(each.decorator) == "fixture" for each in function.decorators)


def is_given(function: cst.FunctionDef) -> bool:
    """Whether pytest calls a function, and gives it what its parameters name."""
    return _is_fixture(function) or function.name.value.startswith("test")


def _reaches(fixture: PythonFile, user: PythonFile, folder: PurePosixPath) -> bool:
    """Whether a file gets the fixtures of another."""
    if fixture.path == user.path:
        return True
    where = PurePosixPath(fixture.path)
    return where.name == "conftest.py" and folder.is_relative_to(where.parent)


def _is_parametrized(file: PythonFile, function: cst.FunctionDef, name: str) -> bool:
    return any(
        isinstance(node, cst.SimpleString)
        and isinstance(node.evaluated_value, str)
        and name in node.evaluated_value.replace(",", " ").split()
        for each in function.decorators
        if last_name(each.decorator) == "parametrize"
        for node in file.below(each)
    )


def _returned(file: PythonFile, function: cst.FunctionDef) -> list[cst.CSTNode]:
    found = (node for node in file.below(function.body))
    return [
        node.value
        for node in found
        if isinstance(node, cst.Return | cst.Yield) and isinstance(node.value, cst.BaseExpression)
    ]
