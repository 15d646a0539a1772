"""Every tolerance and limit of reading, each with the sentence that justifies it."""

from __future__ import annotations

__all__ = [
    "AIR_NEAR_HU",
    "ALTERNATE_PLACES",
    "ALTERNATE_TIMES",
    "AXIAL_COSINE",
    "CIRCLE_STRAYS",
    "CIRCLE_VOXELS",
    "COARSEST_DECIMALS",
    "CORNER_MM",
    "COSINE_DECIMALS",
    "DECODE_BYTES",
    "DECODE_BYTES_PER_PIXEL",
    "DECODE_PIXELS_PER_SECOND",
    "DECODE_SECONDS",
    "HDF5_BYTES",
    "HDF5_SECONDS",
    "JUMP_SHARE",
    "JUMP_TIMES",
    "LATERAL_MM",
    "MOST_ARCHIVE_BYTES",
    "MOST_DEPTH",
    "MOST_EXPANSION",
    "MOST_FILES",
    "MOST_HELD_BYTES",
    "MOST_INFLATED_BYTES",
    "MOST_MEMBERS",
    "MOST_NESTED",
    "MOST_PIXELS",
    "MOST_PLANES",
    "MOST_VOXELS",
    "ORIENTATION",
    "ROUNDED_SHARE",
    "SMALL_ARCHIVE_BYTES",
    "SMALL_FRAME_BYTES",
    "SMALL_HEADER_BYTES",
    "SMALL_MEMBER_BYTES",
    "SPACING_SHARE",
    "SPACING_SLACK_MM",
    "TILT_DEGREES",
    "TILT_SHIFT_MM",
    "UNSCANNED_BORDER",
    "UNSCANNED_HU",
    "UNSCANNED_RUN",
]

CORNER_MM = 1e-3
"""A slice corner from the grid may differ this much from its header before a finding says so: one micrometre is far
below any pixel and above the rounding of positions printed with three decimals."""

SPACING_SHARE = 0.01
"""Steps between slices may differ by one hundredth of the step: more would bend volumes by more than 1 %."""

COARSEST_DECIMALS = 2
"""Positions written with two decimals (0.01 mm) or more may be rounded ones; with fewer, rounding could hide a slice that moved."""

ROUNDED_SHARE = 0.25
"""The unit of rounded positions is no more than this share of their step: a missing slice is never a matter of rounding."""

COSINE_DECIMALS = 4
"""Direction cosines written with four decimals or more may be rounded ones, which turns a normal by 0.004 degrees at most."""

SPACING_SLACK_MM = 2e-3
"""Steps under 0.2 mm may differ by this much where positions are printed to 0.001 mm: by the rounding of two of them, in two
steps that are compared. Where they are printed finer, by as much less."""

LATERAL_MM = 0.02
"""Slices may be shifted sideways by this much: encoder jitter is micrometres, and a gantry tilt of one degree already
shifts 1 mm apart slices by 0.017 mm *each*, adding up over the stack."""

TILT_DEGREES = 2.0
"""A short stack of thin slices is tilted without shifting as far as that: this angle between its axis and the normal of its
slices is refused too, once the shift is beyond :data:`TILT_SHIFT_MM`."""

TILT_SHIFT_MM = 3e-3
"""Positions printed to 0.001 mm, and an encoder's jitter, shift slices by less."""

ORIENTATION = 1e-6
"""Direction cosines of one series may differ by this much, the rounding of six printed decimals, or by what moves no corner by
more than :data:`CORNER_MM`, if that is more."""

AXIAL_COSINE = 0.999
"""Slices within 2.6 degrees of the patient's axial plane are ordered by the patient's z, whichever way their rows run."""

UNSCANNED_HU = -1500
"""Nothing real is lighter than vacuum (-1000 HU) by more than noise: a constant below this was never scanned."""

UNSCANNED_BORDER = 0.02
"""Such a constant fills at least this share of a slice's border; artefacts beside metal do not."""

UNSCANNED_RUN = 4
"""And stands there in runs of this many voxels on average, if not in all four corners; values met by chance stand alone."""

CIRCLE_VOXELS = 2.0
"""The outside of the scan circle begins within this many voxels of a circle: scanners round its edge differently."""

CIRCLE_STRAYS = 0.01
"""Of the voxels that hold the outside's value and reach the border, no more than this share may lie further inside."""

AIR_NEAR_HU = 100
"""A constant this near to air (-1000 HU) may be air around a tube in a scan without noise."""

MOST_FILES = 200_000
"""Files looked at below one folder."""

MOST_DEPTH = 32
"""Folders inside folders."""

MOST_PIXELS = 16384 * 16384
"""Rows x columns of one slice."""

MOST_PLANES = 65_536
"""Slices of one scan, marked gaps included."""

MOST_VOXELS = 2048**3 * 2
"""Voxels of one scan."""

MOST_INFLATED_BYTES = 1 << 28
"""Bytes a deflated DICOM file may grow to: one slice of 8192 x 8192 and its header."""

MOST_NESTED = 64
"""Sequences within sequences of a DICOM header: scanners write a handful, and parsers that follow hundreds die of it."""

MOST_MEMBERS = 50_000
"""Members of one archive."""

MOST_ARCHIVE_BYTES = 1 << 36
"""Bytes an archive may unpack to: 64 GiB."""

SMALL_ARCHIVE_BYTES = 1 << 30
"""An archive may always unpack to this much; constant slices shrink a thousandfold and are no attack."""

MOST_EXPANSION = 100
"""Beyond that, an archive may unpack to this many times its own size."""

SMALL_MEMBER_BYTES = 1 << 28
"""One member of an archive may always unpack to this much, and so may a compressed tar, which is held in memory."""

MOST_HELD_BYTES = 1 << 31
"""Most of an archive that is held in memory: what libraries must jump about in, and compressed tars."""

SMALL_FRAME_BYTES = 1 << 26
"""A compressed frame may always decode to this much (5792 x 5792 pixels of 16 bits); beyond, to
:data:`MOST_EXPANSION` times its own size."""

SMALL_HEADER_BYTES = 1 << 20
"""What a deflated file holds beside its pixels may always inflate to this much; beyond, to :data:`MOST_EXPANSION` times the file's
size. Scanners' own elements make headers of some 100 kB."""

DECODE_SECONDS = 3.0
"""A slice of 512 x 512 decodes in some 0.05 s; a code stream that takes this long is an attack or damage."""

DECODE_PIXELS_PER_SECOND = 2_000_000
"""Further time for large slices: the slowest decoder does ten times as many pixels on an idle machine."""

DECODE_BYTES = 1 << 28
"""A decoding process may grow by this much: tables and thread stacks of the libraries, and their spare room."""

DECODE_BYTES_PER_PIXEL = 32
"""And by this much a pixel: JPEG 2000 keeps some five copies of four bytes."""

HDF5_SECONDS = 10.0
"""Processor time for what an HDF5 file says of itself, and again for each of its data sets: some milliseconds in sound files. Time
that a slow disk takes does not count."""

HDF5_BYTES = 1 << 30
"""Memory for the same: the index of a million chunks takes a tenth of it."""

JUMP_TIMES = 8.0
"""A slice jumps if it lies beyond both neighbours by this many times what those, and slices as a rule, differ."""

JUMP_SHARE = 0.02
"""And by this share of the usual spread of values within a slice, below which nobody would see it."""

ALTERNATE_PLACES = 0.9
"""Slices alternate if their values turn back at this share of the places: by chance they do at two thirds."""

ALTERNATE_TIMES = 6.0
"""And if neighbours differ by this many times what next but one slices do: in one scan those differ more than neighbours, and by
chance as much."""
