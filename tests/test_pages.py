"""What is read of a page, and how it is held to what it says."""

from pathlib import Path

import pytest
from pages import ADDRESS, Step, steps
from stranger import Stranger


def read(folder: Path, text: str) -> list[Step]:
    page = folder / "page.md"
    page.write_text(text, "utf-8")
    return list(steps(page))


def do(folder: Path, text: str) -> None:
    with Stranger(folder / "home", "/srv/scaffold.git") as stranger:
        for step in read(folder, text):
            stranger.do(step)


def test_commands_of_sh_are_whole_ones(tmp_path: Path) -> None:
    text = "```sh\n# Why.\ncat <<'END'\n$ a\nEND\ntrue && \\\n  true\n\necho done   # so\n```\n"
    assert [step.command for step in read(tmp_path, text)] == [
        "cat <<'END'\n$ a\nEND",
        "true && \\\n  true",
        "echo done   # so",
    ]


def test_a_console_shows_what_each_command_prints(tmp_path: Path) -> None:
    text = "1. Do:\n\n   ```console\n   $ ls\n   a\n   b\n   $ true\n   ```\n```json\n$ {}\n```\n"
    found = [(step.command, step.shown) for step in read(tmp_path, text)]
    assert found == [("ls", "a\nb"), ("true", None)]


def test_a_mark_is_of_the_block_behind_it_and_no_other(tmp_path: Path) -> None:
    text = "<!-- before:\nmkdir a\n-->\n<!-- fails -->\n```sh\ntrue\nfalse\n```\n```sh\ntrue\n```\n"
    assert [(step.command, step.mark) for step in read(tmp_path, text)] == [
        ("mkdir a", ""),
        ("true", ""),
        ("false", "fails"),
        ("true", ""),
    ]


def test_folder_and_variables_stay_from_one_command_to_the_next(tmp_path: Path) -> None:
    page = "```console\n$ mkdir a && cd a && export WHO=Ada\n$ echo $WHO in $(basename $PWD)\nAda in a\n```\n"
    do(tmp_path, page)


def test_an_ellipsis_stands_for_anything_and_for_no_line_at_all(tmp_path: Path) -> None:
    shown = "…\n1\n…\nfour…\n…"
    do(tmp_path, f"```console\n$ printf '1\\n2\\n3\\nfourteen\\n'\n{shown}\n```\n")


@pytest.mark.parametrize(
    "page",
    [
        "```console\n$ echo two\none\n```\n",
        "```console\n$ printf 'one\\ntwo\\n'\none\n```\n",
        "```sh\nfalse\n```\n",
        "<!-- fails -->\n```sh\ntrue\n```\n",
        "<!-- goes on -->\n```console\n$ echo stopped\nready\n```\n",
    ],
)
def test_what_a_page_says_and_is_not_so_is_told(page: str, tmp_path: Path) -> None:
    with pytest.raises(pytest.fail.Exception):
        do(tmp_path, page)


def test_what_goes_on_is_stopped_where_the_page_says_so(tmp_path: Path) -> None:
    wait = "trap 'echo over > over; exit' INT; echo ready; while :; do sleep 0.1; done"
    page = f"<!-- goes on -->\n```console\n$ {wait}\nready…\n```\n<!-- Ctrl-C -->\n"
    do(tmp_path, f"{page}```console\n$ cat over\nover\n```\n")


def test_the_address_of_this_repository_is_put_in(tmp_path: Path) -> None:
    do(tmp_path, f"```console\n$ echo {ADDRESS}\n/srv/scaffold.git\n```\n")
