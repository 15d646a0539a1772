"""No call in the sources may run code from a file, and the search for such calls really finds them."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SEARCH = Path(__file__).with_name("forbidden_calls.py")


def search(*folders):
    return subprocess.run([sys.executable, SEARCH, *folders], capture_output=True, text=True, cwd=ROOT)


def test_the_sources_hold_no_forbidden_call():
    result = search("src", "benchmarks", "examples")
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from pickle import loads",
        "import cloudpickle as safe",
        "import torch as t\nt.load('x')",
        "from torch import load\nload('x')",
        "import numpy as np\nnp.load('x', allow_pickle=True)",
        "import numpy as np\nnp.load('x', allow_pickle=flag)",
        "import yaml\nyaml.load('x')",
        "eval('1')",
        "exec('1')",
        "import builtins\nbuiltins.eval('1')",
        "import subprocess\nsubprocess.run('ls', shell=True)",
        "import zipfile\nzipfile.ZipFile('x').extractall()",
        "import pydicom\npydicom.dcmread('x', force=True)",
        "import os\nos.system('ls')",
    ],
)
def test_the_search_finds_a_planted_call(tmp_path, line):
    (tmp_path / "planted.py").write_text(line + "\n")
    assert search(tmp_path).returncode == 1


@pytest.mark.parametrize(
    "line",
    [
        '"""Never pickle, never torch.load."""',
        "model.eval()",
        "model.to(device).eval()",
        "import re\nre.compile('x')",
        "read('x', force=False)",
    ],
)
def test_the_search_leaves_innocent_lines_alone(tmp_path, line):
    (tmp_path / "innocent.py").write_text(line + "\n")
    result = search(tmp_path)
    assert (result.returncode, result.stdout) == (0, "no forbidden calls\n")
