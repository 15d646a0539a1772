"""Real DICOM files with known values, written by pydicom, and the ways to spoil them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

AXIAL = (1, 0, 0, 0, 1, 0)


def ramp(planes: int = 8, rows: int = 12, columns: int = 10) -> np.ndarray:
    """Stored values that differ in every voxel, below 12 bits."""
    return (np.arange(planes * rows * columns).reshape(planes, rows, columns) % 4000).astype(np.int16)


def slice_dataset(stored: np.ndarray, position, *, series="1.2.3.4", number=1, orientation=AXIAL, **tags) -> Dataset:
    """One CT slice; keyword ``tags`` set elements, None removes one."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = tags.get("SOPClassUID", CTImageStorage)
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.SeriesInstanceUID = series
    dataset.Modality = "CT"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.Manufacturer = "ACME"
    dataset.ConvolutionKernel = "B70s"
    dataset.InstanceNumber = number
    dataset.AcquisitionNumber = 1
    dataset.ImagePositionPatient = [f"{float(v):.10g}" for v in position]
    dataset.ImageOrientationPatient = [f"{float(v):.10g}" for v in orientation]
    dataset.PixelSpacing = [0.4, 0.3]
    dataset.SliceThickness = 0.5
    dataset.Rows, dataset.Columns = stored.shape
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.PixelRepresentation = int(stored.dtype.kind == "i")
    dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = 1, -1024, "HU"
    dataset.PixelData = stored.astype(stored.dtype.newbyteorder("<")).tobytes()
    for name, value in tags.items():
        if value is None:
            delattr(dataset, name)
        else:
            setattr(dataset, name, value)
    return dataset


def series(stored: np.ndarray, *, step=(0, 0, 0.5), origin=(-5, -6, 100), first=1, **tags) -> list[Dataset]:
    """A series along ``step`` (mm a slice), slice k at ``origin + k * step``."""
    places = np.asarray(origin, float) + np.arange(len(stored))[:, None] * np.asarray(step, float)
    return [
        slice_dataset(plane, place, number=first + k, **tags)
        for k, (plane, place) in enumerate(zip(stored, places, strict=True))
    ]


def save(datasets, folder: Path, names=None) -> Path:
    """Write slices as 000.dcm, 001.dcm ... (or under ``names``)."""
    folder.mkdir(parents=True, exist_ok=True)
    for k, dataset in enumerate(datasets):
        dataset.save_as(folder / (names[k] if names else f"{k:03d}.dcm"), enforce_file_format=True)
    return folder
