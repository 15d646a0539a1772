"""Phantoms as files: a CT series as the paper's scanner would have written it, and the truth beside it.

The series is CT Image Storage (PS3.3 A.3), explicit VR little endian, one file a slice, slice 0 (the top) first and at
the lowest position along the normal. All identifiers come from the content, so the same phantom gives the same bytes.
"""

from __future__ import annotations

import gzip
import hashlib
import io
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from soilscope._version import __version__
from soilscope.errors import UsageError
from soilscope.files import publish, write_bytes, write_json
from soilscope.phantoms.phantom import Phantom
from soilscope.phantoms.truth import record
from soilscope.types import Shape, Spacing

__all__ = ["INTERCEPT", "series_affine", "write", "write_series"]

INTERCEPT = -1024
"""Stored value 0 is -1024 HU: 12 bits hold the scanner's whole range."""


def write(phantom: Phantom, out: Path) -> None:
    """Publish ``out/dicom/*.dcm``, ``out/truth.nii.gz`` and, last, ``out/truth.json``.

    Parameters
    ----------
    phantom : Phantom
        From :func:`soilscope.phantoms.make`.
    out : path
        A folder; made if absent. Each of the three appears whole or not at all.

    Raises
    ------
    UsageError
        Code ``phantom-range``: a value does not fit 12 bits with an intercept of -1024.
    Busy, OutputRefused
        See :func:`soilscope.files.publish`.
    """
    out = Path(out)
    values = phantom.volume.values
    if values.min() < INTERCEPT or values.max() > INTERCEPT + 4095:
        raise UsageError(
            "phantom-range", f"{phantom.volume.core}: HU {values.min()} to {values.max()} do not fit -1024 to 3071."
        )
    with publish(out / "dicom") as partial:
        write_series(phantom, partial)
    write_bytes(out / "truth.nii.gz", _truth_nifti(phantom))
    write_json(out / "truth.json", record(phantom.soil, phantom.seed, phantom.volume.spacing_mm, phantom.truth))


def series_affine(shape: Shape, spacing_mm: Spacing) -> NDArray[np.float64]:
    """Affine of an (x, y, z) array in NIfTI's RAS+ mm that lies on the series, whose positions are in DICOM's LPS+ mm."""
    dz, dy, dx = spacing_mm
    x0, y0 = _corner(shape, spacing_mm)
    return np.array([[-dx, 0, 0, -x0], [0, -dy, 0, -y0], [0, 0, dz, 0], [0, 0, 0, 1]], float)


def _corner(shape: Shape, spacing_mm: Spacing) -> tuple[float, float]:
    """Centre of the first voxel, (x, y) in mm: the middle of the grid lies at 0, 0."""
    return -(shape[2] - 1) / 2 * spacing_mm[2], -(shape[1] - 1) / 2 * spacing_mm[1]


def write_series(phantom: Phantom, folder: Path) -> None:
    """Write the slices alone into a folder that is not there yet; its truth is not looked at."""
    folder.mkdir()
    template = _template(phantom)
    x0, y0 = _corner(phantom.volume.shape, phantom.volume.spacing_mm)
    dz = phantom.volume.spacing_mm[0]
    for k, plane in enumerate(phantom.volume.values):
        template.SOPInstanceUID = _uid(template.SeriesInstanceUID, str(k))
        template.file_meta.MediaStorageSOPInstanceUID = template.SOPInstanceUID
        template.InstanceNumber = k + 1
        template.ImagePositionPatient = [_decimal(x0), _decimal(y0), _decimal(k * dz)]
        template.SliceLocation = _decimal(k * dz)
        template.PixelData = (plane - np.int16(INTERCEPT)).astype("<u2").tobytes()
        template.save_as(folder / f"{phantom.volume.core}-{k + 1:04d}.dcm", enforce_file_format=True)


def _template(phantom: Phantom) -> FileDataset:
    """All that the slices of one series share."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    slices = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    content = hashlib.sha256(np.ascontiguousarray(phantom.volume.values).data).hexdigest()
    for group in (_who(phantom, content), _device(phantom), _pixels(phantom)):
        for keyword, value in group.items():
            setattr(slices, keyword, value)
    return slices


def _who(phantom: Phantom, content: str) -> dict[str, Any]:
    """Sample, study and series. Sample names sit where a hospital's scanner wants a patient; there are no dates."""
    core = phantom.volume.core
    return {
        "SpecificCharacterSet": "ISO_IR 192",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "SOPClassUID": CTImageStorage,
        "StudyDate": "",
        "StudyTime": "",
        "AccessionNumber": "",
        "Modality": "CT",
        "ReferringPhysicianName": "",
        "StudyDescription": "Soil cores",
        "SeriesDescription": f"Simulated core of {phantom.soil}",
        "PatientName": core,
        "PatientID": core,
        "PatientBirthDate": "",
        "PatientSex": "O",
        "PatientPosition": "HFS",
        "StudyInstanceUID": _uid("study", phantom.soil, content),
        "SeriesInstanceUID": _uid("series", core, content),
        "FrameOfReferenceUID": _uid("frame", core, content),
        "PositionReferenceIndicator": "",
        "StudyID": "1",
        "SeriesNumber": 1,
        "AcquisitionNumber": 1,
        "ImageComments": f"Simulated by Soilscope, seed {phantom.seed}; no scanner has seen this core",
    }


def _device(phantom: Phantom) -> dict[str, Any]:
    """The paper's kind of scanner (Wieland et al. 2021, doi:10.1098/rsos.201275) and its geometry."""
    dz, dy, dx = phantom.volume.spacing_mm
    return {
        "Manufacturer": "TOSHIBA",
        "ManufacturerModelName": "Aquilion ONE",
        "SoftwareVersions": f"soilscope {__version__}",
        "ScanOptions": "VOLUMESCAN",
        "KVP": "120",
        "XRayTubeCurrent": 300,
        "ExposureTime": 500,
        "ConvolutionKernel": "FC30",
        "GantryDetectorTilt": "0",
        "DataCollectionDiameter": _decimal(phantom.volume.shape[2] * dx),
        "ReconstructionDiameter": _decimal(phantom.volume.shape[2] * dx),
        "SliceThickness": _decimal(dz),
        "SpacingBetweenSlices": _decimal(dz),
        "PixelSpacing": [_decimal(dy), _decimal(dx)],
        "ImageOrientationPatient": ["1", "0", "0", "0", "1", "0"],
    }


def _pixels(phantom: Phantom) -> dict[str, Any]:
    """How stored values are to be read: HU = stored - 1024."""
    _, ny, nx = phantom.volume.shape
    return {
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": ny,
        "Columns": nx,
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "WindowCenter": "700",
        "WindowWidth": "3400",
        "RescaleIntercept": str(INTERCEPT),
        "RescaleSlope": "1",
        "RescaleType": "HU",
    }


def _uid(*parts: str) -> str:
    """An identifier that follows from its parts alone."""
    return str(generate_uid(entropy_srcs=["soilscope phantom", *parts]))


def _decimal(value: float) -> str:
    """A decimal string, at most 16 characters (PS3.5 6.2)."""
    return f"{value:.6f}".rstrip("0").rstrip(".") if value else "0"


def _truth_nifti(phantom: Phantom) -> bytes:
    """The truth as gzipped NIfTI, stored (x, y, z); no file name and no time in the gzip header."""
    affine = series_affine(phantom.volume.shape, phantom.volume.spacing_mm)
    image = nibabel.Nifti1Image(phantom.truth.T, affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, code="scanner")
    image.set_qform(affine, code="scanner")
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=4, fileobj=packed, mtime=0) as stream:
        stream.write(image.to_bytes())
    return packed.getvalue()
