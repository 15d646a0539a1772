"""A phantom for which the disk has no room."""

from __future__ import annotations

import os
import resource

from soilscope import errors, phantoms

ROOM_BYTES = 10_000
"""Too little for one slice: the system stops the writing in the middle of the pixels."""


def test_a_phantom_without_room_is_refused_and_leaves_nothing(tmp_path):
    phantom = phantoms.make("sandy", seed=0, shape=(3, 96, 96), noise=False)
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM_BYTES, ROOM_BYTES))
        try:
            phantoms.write(phantom, tmp_path / "out")
        except errors.OutputRefused as error:
            os._exit(7 if error.code == "cannot-write" else 8)
        os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert list((tmp_path / "out").iterdir()) == []
