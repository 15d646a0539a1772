"""What `inspect` tells and draws of a scan before anything is made of it."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import tifffile
from PIL import Image

from soilscope import phantoms, study
from soilscope.errors import InputRefused
from soilscope.ingest import options_of, stream

MM = (0.3, 0.2, 0.2)


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    made = phantoms.make("sandy", seed=0, shape=(30, 64, 64))
    folder = tmp_path_factory.mktemp("scan") / "stack"
    folder.mkdir()
    for k, plane in enumerate(made.volume.values):
        tifffile.imwrite(folder / f"{k:03d}.tif", plane)
    return folder, made.volume


def command(*words):
    code = "import sys; from soilscope.cli.app import main; sys.argv[0] = 'soilscope'; main()"
    return subprocess.run([sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True)


@pytest.mark.parametrize("large", [False, True])
def test_a_preview_tells_values_and_soil(stack, monkeypatch, large):
    folder, scan = stack
    if large:
        monkeypatch.setattr(stream, "LARGE_VOXELS", 0)
    seen = study.preview(folder, options_of("HU", MM))
    assert seen.units == "HU"
    assert seen.series == "stack"
    assert seen.quantiles[0] >= scan.values.min()
    assert seen.quantiles[-1] <= scan.values.max()
    assert list(seen.quantiles) == sorted(seen.quantiles)
    assert {"cylinder", "spacing-asserted"} <= {f.code for f in seen.findings}
    depths = [axes.get_title() for axes in seen.figure.axes if "deep" in axes.get_title()]
    assert len(depths) == 10
    assert depths[0] == ("0.15 mm deep" if large else "0.45 mm deep")


def test_a_scan_that_cannot_be_read_has_no_preview(stack):
    with pytest.raises(InputRefused) as caught:
        study.preview(stack[0], options_of())
    assert caught.value.code == "spacing-missing"


def test_inspect_draws_a_montage_and_says_what_it_saw(stack, tmp_path):
    to = tmp_path / "look.png"
    words = ("inspect", stack[0], "--spacing-mm", "0.3,0.2,0.2", "--units", "HU", "--montage", to)
    done = command(*words)
    assert done.returncode == 0, done.stderr
    assert "30 slices of 64 x 64 pixels. Slices lie 0.3 mm apart, pixels are 0.2 x 0.2 mm: 9 mm high" in done.stdout
    assert "values in the soil" in done.stdout
    assert "the soil is a cylinder" in done.stdout
    with Image.open(to) as picture:
        assert min(picture.size) > 500
        assert np.ptp(np.asarray(picture)) > 200
    value = json.loads(command(*words, "--json").stdout)
    assert value["montage"]["units"] == "HU"
    assert set(value["montage"]["quantiles"]) == {"min", "p05", "median", "p95", "max"}


def test_inspect_lists_what_is_not_usable_with_its_reason(stack):
    done = command("inspect", stack[0])
    assert done.returncode == 0, done.stderr
    assert "why not" in done.stdout
    assert "spacing-missing" in done.stdout
    assert "--spacing-mm" in done.stdout
    assert "1 series, 0 usable, 0 files skipped" in done.stdout


def test_one_file_that_is_skipped_is_told_as_one(tmp_path):
    np.save(tmp_path / "core.npy", np.ones((4, 5, 6), np.uint16))
    (tmp_path / "notes.txt").write_text("dug on a rainy day")
    assert "1 file skipped" in command("inspect", tmp_path, "--spacing-mm", "1,1,1").stdout


def test_a_montage_of_what_cannot_be_read_is_exit_code_3_and_leaves_no_file(stack, tmp_path):
    done = command("inspect", stack[0], "--montage", tmp_path / "look.png")
    assert done.returncode == 3
    assert "spacing-missing" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_scan_of_nothing_but_nan_is_told_and_its_json_is_whole(tmp_path):
    np.save(tmp_path / "core.npy", np.full((4, 20, 20), np.nan, np.float32))
    seen = study.preview(tmp_path / "core.npy", options_of(spacing_mm=MM))
    assert seen.in_words() == "no voxel of it is valid"
    assert set(json.loads(json.dumps(seen.as_dict(), allow_nan=False))["quantiles"].values()) == {None}
