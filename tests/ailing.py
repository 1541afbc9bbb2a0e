"""What stands in a repository that a doctor looks at."""

from datetime import date

TODAY = date(2026, 12, 1)
SHA = "de0fac2e4500dabe0009e67214ff5f5447ce83dd"
FILES = {
    ".github/workflows/ci.yml": "on: push\njobs:\n  check:\n    runs-on: ubuntu-24.04\n    steps:\n"
    f"      - uses: actions/checkout@{SHA}  # v6.0.2\n      - run: make check\n",
    ".gitignore": "__pycache__/\n",
    "Dockerfile": "# Was python:3.8 once.\nFROM docker.io/library/python:3.13-slim\n",
    "checks/flags.py": "".join(f"check_{n} = {n}\n" for n in range(9)),
    "docs/merging.md": "# Conflicts\n\n```\n<<<<<<< yours\n1\n=======\n2\n>>>>>>> theirs\n```\n",
    "pyproject.toml.jinja": '[project]\nname = "{{ project_name }}"\nversion = "0.1.0"\n'
    'dependencies = ["fastapi>=0.1,<2", "uvicorn[standard]>=0.5; sys_platform != \'win32\'"]\n\n'
    '[dependency-groups]\ndev = [{ include-group = "lint" }, "pytest>=9"]\nlint = ["ruff>=0.17"]\n\n'
    '[tool.importlinter]\ncontracts = [\n    { name = "Rooms", type = "layers", '
    'ignore_imports = ["app.** -> app.platform.metrics"] },\n]\n',
    "src/app/platform/jobs/worker.py": "".join(f"job_{n} = {n}\n" for n in range(9)),
}
